"""`leworld tune` with a tiny budget: it searches, advises, writes and goes on."""

import json
from pathlib import Path

from click.testing import CliRunner, Result

from leworld.cli._main import top

QUICK = ["--steps", "1", "--runs", "3", "--episodes", "3"]


def tune(*arguments: str) -> Result:
    result = CliRunner().invoke(top, ["tune", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_it_searches_writes_and_goes_on(tmp_path: Path) -> None:
    first = tune("tworoom", *QUICK, "--low", "0.001", "--high", "0.1", "--out", str(tmp_path))
    assert first.exit_code == 0, first.output
    assert all(word in first.stdout for word in ("lambda", "correlation of plans", "contrast", "3 trainings"))
    content = json.loads((tmp_path / "tune.json").read_text())
    assert content["kind"] == "tuning"
    assert 0.001 < content["best"] < 0.1
    assert (tmp_path / "tune.png").stat().st_size > 1000
    again = tune("tworoom", *QUICK, "--low", "0.001", "--high", "0.1", "--out", str(tmp_path))
    assert again.stdout == first.stdout
    other = tune("tworoom", *QUICK, "--low", "0.002", "--high", "0.1", "--out", str(tmp_path))
    assert other.exit_code == 2
    assert "search with other settings" in other.stderr


def test_what_it_refuses() -> None:
    assert "less than twice" in tune("tworoom", "--low", "0.1", "--high", "0.15").stderr
    assert "no recipe 'nowhere'" in tune("nowhere").stderr
