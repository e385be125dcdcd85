"""`leworld list`, `info`, `convert` and `stats`: the tables are right and what they write can be loaded."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

import leworld
from leworld.cli._main import top
from leworld.hub.catalog._known import PINNED
from tests.hub.examples import tiny_lewm
from tests.hub.released import MINI


def run(*arguments: object) -> str:
    result = CliRunner().invoke(top, [str(argument) for argument in arguments])
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    return result.stdout


def test_list_has_a_line_for_every_name() -> None:
    lines = run("list").splitlines()
    assert lines[0].split() == ["name", "environment", "success", "where", "what"]
    assert sorted(line.split()[0] for line in lines[2:]) == leworld.list_checkpoints()
    assert [line.split()[0] for line in run("list", "*reacher").splitlines()[2:]] == ["lewm-reacher"]


@pytest.mark.parametrize("name", PINNED)
def test_info_tells_what_the_record_holds(name: str) -> None:
    record = leworld.hub.checkpoint_info(name)
    told = run("info", name)
    assert f"hf-hub:{record.repository}@{record.commit}" in told
    assert all((digest or "unknown") in told for digest in record.files.values())
    assert all(f"{score.success:.1f} %" in told and score.source in told for score in record.scores)
    assert record.processor is not None
    facts = dict(line.split("  ", 1) for line in told.splitlines() if "  " in line)
    assert facts["frameskip"].strip() == str(record.processor.frameskip)
    assert facts["action size"].strip() == str(record.processor.action_dim)
    unknown = record.processor.action_mean is None
    assert ("publishes no action statistics" in told) is unknown


def test_convert_there_and_back(tmp_path: Path) -> None:
    assert run("convert", MINI, tmp_path / "ours") == f"written  {tmp_path / 'ours'}\n"
    run("convert", tmp_path / "ours", tmp_path / "theirs", "--to", "released")
    config = json.loads((tmp_path / "theirs" / "config.json").read_text())
    assert config["_target_"] == "stable_worldmodel.wm.lewm.LeWM"
    assert leworld.load(tmp_path / "theirs").config == leworld.load(MINI).config


def test_stats_are_printed_and_given_to_a_model(tmp_path: Path) -> None:
    actions = np.random.default_rng(0).normal([1.0, -2.0], [0.5, 3.0], (40, 2)).astype(np.float32)
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["action"] = actions
    leworld.save(tiny_lewm(), tmp_path / "m")
    told = run("stats", tmp_path / "d.h5", "--model", tmp_path / "m", "--out", tmp_path / "ready")
    facts = json.loads(next(line for line in told.splitlines() if line.startswith("{")))
    np.testing.assert_allclose(facts["mean"], actions.mean(0), rtol=1e-5)
    np.testing.assert_allclose(facts["std"], actions.std(0), rtol=1e-5)
    processor = leworld.load(tmp_path / "ready").processor
    assert list(processor.action_mean or ()) == facts["mean"]
    assert processor.statistics_source == facts["source"] == "40 rows of d.h5"
