"""Renewing the shipped checkpoint: the weights stay, the card names it, and a second run changes nothing."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

import leworld
from benchmarks.tworoom import ship
from tests.hub.examples import tiny_lewm


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = shutil.copytree(ship.SHIPPED, tmp_path / ship.SHIPPED.name)
    monkeypatch.setattr(ship, "SHIPPED", copy)
    return copy


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_without_a_run_the_weights_stay_and_the_card_gets_the_measured_scores(shipped: Path) -> None:
    before = contents(shipped)
    (shipped / "README.md").write_text("old")
    result = CliRunner().invoke(ship.main, [])
    assert (result.exit_code, result.output) == (0, f"{shipped}\n"), result.output
    after = contents(shipped)
    assert after["model.safetensors"] == before["model.safetensors"]
    assert 'leworld.load("lewm-tworoom-tiny")' in after["README.md"].decode()
    measured = json.loads((ship.RESULTS / "lewm_tworoom_tiny.json").read_text())["rows"]
    scores = leworld.hub.checkpoint_info(shipped).scores
    assert [score.protocol for score in scores] == [row["protocol"] for row in measured]
    assert [score.success for score in scores] == [100 * row["LeWM"]["success"] for row in measured]
    assert CliRunner().invoke(ship.main, []).exit_code == 0
    assert contents(shipped) == after


def test_the_shipped_card_names_the_checkpoint() -> None:
    card = (ship.SHIPPED / "README.md").read_text()
    assert 'leworld.load("lewm-tworoom-tiny")' in card
    assert "path/to" not in card


def test_a_run_of_other_weights_brings_no_scores_of_the_old_ones(shipped: Path, tmp_path: Path) -> None:
    leworld.save(tiny_lewm(), tmp_path / "run" / "model")
    assert CliRunner().invoke(ship.main, [str(tmp_path / "run")]).exit_code == 0
    config = json.loads((shipped / "config.json").read_text())
    assert "scores" not in config["provenance"]
    assert "Success" not in (shipped / "README.md").read_text()
