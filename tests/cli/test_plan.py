"""`leworld plan` and `leworld demo` on a model with random weights: they measure, print and write."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import leworld
from leworld.cli._main import top
from leworld.data import Processor
from leworld.hub.catalog._known import SHIPPED
from leworld.tasks import get_task, list_tasks
from tests.hub.examples import tiny_lewm

QUICK = ["--pairs", "2", "--samples", "4", "--iterations", "1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return leworld.save(tiny_lewm(), tmp_path_factory.mktemp("models") / "tiny")


def plan(*arguments: str) -> Result:
    result = CliRunner().invoke(top, ["plan", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.mark.parametrize("protocol", ["trajectory-25", "same-room", "cross-door"])
def test_plan_prints_a_table(folder: Path, protocol: str) -> None:
    result = plan(str(folder), *QUICK, "--protocol", protocol)
    assert result.exit_code == 0, result.output
    assert all(
        word in result.stdout for word in (protocol, "2 pairs", "LeWM", "random", "oracle", "95 % interval")
    )


def test_plan_writes_what_it_printed(folder: Path, tmp_path: Path) -> None:
    first = plan(str(folder), *QUICK, "--protocol", "same-room", "--out", str(tmp_path / "a"), "--seed", "3")
    assert first.exit_code == 0, first.output
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == [
        "same-room.gif",
        "same-room.json",
        "same-room.png",
    ]
    content = json.loads((tmp_path / "a" / "same-room.json").read_text())
    assert (content["protocol"], content["seed"], content["num_pairs"]) == ("same-room", 3, 2)
    assert f"{content['policies']['LeWM']['success_rate']:.1%}" in first.stdout


def test_plan_alone(folder: Path) -> None:
    out = plan(str(folder), *QUICK, "--protocol", "same-room", "--no-baselines").stdout
    assert "LeWM" in out
    assert "oracle" not in out


def test_plan_refuses_a_model_of_another_world(tmp_path: Path) -> None:
    model = tiny_lewm()
    model.processor = Processor(16, frameskip=2, action_dim=2, environment_id="elsewhere/World-v0")
    leworld.save(model, tmp_path / "m")
    result = plan(str(tmp_path / "m"), *QUICK, "--protocol", "same-room")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "elsewhere/World-v0" in result.stderr


def test_plan_refuses_to_act_without_statistics(tmp_path: Path) -> None:
    model = tiny_lewm()
    model.processor = Processor(16, frameskip=2, action_dim=2, environment_id="leworld/TwoRoom-v0")
    leworld.save(model, tmp_path / "m")
    result = plan(str(tmp_path / "m"), *QUICK, "--protocol", "same-room")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "statistics" in result.stderr


def test_demo(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leworld.hub._sources.shipped_folder", lambda name: folder)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(top, ["demo", "--pairs", "1"])
    assert result.exit_code == 0, result.output
    assert all(word in result.stdout for word in ("trajectory-25", "LeWM", "random", "oracle"))
    assert sorted(p.name for p in (tmp_path / "runs" / "demo").iterdir()) == [
        "demo.gif",
        "demo.json",
        "demo.png",
    ]


def test_the_demo_offers_every_world_that_has_a_shipped_model() -> None:
    """One line in a task and one in the catalogue, and the demo has it."""
    models = {name: get_task(name).shipped_model for name in list_tasks()}
    assert {model for model in models.values() if model is not None} == set(SHIPPED)
    refused = CliRunner().invoke(top, ["demo", "--world", "reacher"])
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert all(name in refused.stderr for name, model in models.items() if model is not None)


def test_list_and_info_of_a_folder(folder: Path) -> None:
    listing = CliRunner().invoke(top, ["list"])
    assert listing.exit_code == 0
    assert "lewm-tworoom-tiny" in listing.stdout
    facts = CliRunner().invoke(top, ["info", str(folder)]).stdout
    assert all(
        word in facts for word in ("leworld/TwoRoom-v0", "LeWM", "0.1, -0.2", "sha256 of model.safetensors")
    )


INTERRUPTED_PLAN = """
import os, signal, sys
from leworld.cli import main
from leworld.control import MPCPolicy

def interrupted(self, observation):
    os.kill(os.getpid(), signal.SIGINT)  # the terminal's Ctrl-C, at a moment that is the same on any machine
    signal.pause()

signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell ignores for background jobs
MPCPolicy.act = interrupted
sys.argv = ["leworld", "plan", sys.argv[1], "--protocol", "same-room"]
main()
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGINT")
def test_ctrl_c_ends_cleanly(folder: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_PLAN, folder], capture_output=True, text=True, check=False
    )
    assert process.returncode == 130
    assert process.stderr.rstrip().endswith("Interrupted.")
    assert "Traceback" not in process.stderr
