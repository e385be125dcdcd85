"""`leworld probe` and `leworld surprise` on a model with random weights: they measure, print and write."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import leworld
from leworld.cli._main import top
from leworld.data import Processor, write_hdf5
from leworld.tasks import two_room_held_out
from tests.hub.examples import tiny_lewm


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return leworld.save(tiny_lewm(), tmp_path_factory.mktemp("models") / "tiny")


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(top, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_probe_prints_and_writes(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "a"
    result = run(
        "probe", str(folder), "--episodes", "8", "--linear", "--quantity", "x=state:0", "--out", str(out)
    )
    assert result.exit_code == 0, result.output
    assert all(word in result.stdout for word in ("linear MSE", "x", "LeWM", "95 % interval"))
    assert all(word in result.stdout for word in ("pixels shuffled", "within episodes", "expert's plan"))
    assert sorted(path.name for path in out.iterdir()) == ["diagnosis.json", "probe.json", "probe.png"]
    assert json.loads((out / "diagnosis.json").read_text())["kind"] == "diagnosis"
    assert json.loads((out / "probe.json").read_text())["rows"][0]["quantity"] == "x"


def test_surprise_prints_and_writes(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "b"
    result = run("surprise", str(folder), "--episodes", "8", "--kind", "colour", "--out", str(out))
    assert result.exit_code == 0, result.output
    assert all(word in result.stdout for word in ("colour", "AUROC", "events, at the door"))
    assert sorted(path.name for path in out.iterdir()) == ["surprise.json", "surprise.png"]


def test_recorded_episodes(folder: Path, tmp_path: Path) -> None:
    write_hdf5(tmp_path / "held.h5", two_room_held_out(8, image_size=16))
    for command in (["probe", "--linear"], ["surprise", "--kind", "freeze"]):
        result = run(command[0], str(folder), "--data", str(tmp_path / "held.h5"), *command[1:])
        assert result.exit_code == 0, result.output
        assert "at the door" not in result.stdout


@pytest.mark.parametrize("text", ["state", "x=", "=state", "x=state:a", "x=state:0:degrees", "x=stat"])
def test_a_mistaken_quantity(folder: Path, text: str) -> None:
    result = run("probe", str(folder), "--episodes", "4", "--linear", "--quantity", text)
    assert (result.exit_code, result.stdout) == (2, "")


def test_another_world_needs_data(tmp_path: Path) -> None:
    model = tiny_lewm()
    model.processor = Processor(16, frameskip=2, action_dim=2, environment_id="elsewhere/World-v0")
    leworld.save(model, tmp_path / "m")
    for command in ("probe", "surprise"):
        result = run(command, str(tmp_path / "m"))
        assert result.exit_code == 2
        assert "--data" in result.stderr
