"""Renewing a shipped checkpoint: the weights stay, the card names it, and a second run changes nothing."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

import leworld
from benchmarks import ship
from leworld.hub.catalog._known import SHIPPED
from tests.hub.examples import tiny_lewm


@pytest.fixture(params=SHIPPED)
def shipped(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = shutil.copytree(ship.CHECKPOINTS / request.param, tmp_path / request.param)
    monkeypatch.setattr(ship, "CHECKPOINTS", tmp_path)
    return copy


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_without_a_run_the_weights_stay_and_the_card_gets_the_measured_scores(shipped: Path) -> None:
    name, before = shipped.name, contents(shipped)
    (shipped / "README.md").write_text("old")
    result = CliRunner().invoke(ship.main, [name])
    assert (result.exit_code, result.output) == (0, f"{shipped}\n"), result.output
    after = contents(shipped)
    assert after["model.safetensors"] == before["model.safetensors"]
    assert f'leworld.load("{name}")' in after["README.md"].decode()
    measured = [row for row in json.loads(ship.result_path(name).read_text())["rows"] if "protocol" in row]
    scores = leworld.hub.checkpoint_info(shipped).scores
    assert [score.protocol for score in scores] == [row["protocol"] for row in measured]
    assert [score.success for score in scores] == [100 * row["LeWM"]["success"] for row in measured]
    assert CliRunner().invoke(ship.main, [name]).exit_code == 0
    assert contents(shipped) == after


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_card_names_the_checkpoint(name: str) -> None:
    card = (ship.CHECKPOINTS / name / "README.md").read_text()
    assert f'leworld.load("{name}")' in card
    assert "path/to" not in card


def test_a_run_of_other_weights_brings_no_scores_of_the_old_ones(shipped: Path, tmp_path: Path) -> None:
    leworld.save(tiny_lewm(), tmp_path / "run" / "model")
    assert CliRunner().invoke(ship.main, [shipped.name, str(tmp_path / "run")]).exit_code == 0
    config = json.loads((shipped / "config.json").read_text())
    assert "scores" not in config["provenance"]
    assert "Success" not in (shipped / "README.md").read_text()
