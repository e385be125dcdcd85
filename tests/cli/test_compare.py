"""`leworld compare` with a tiny budget: it trains, measures, writes, goes on, and adds models."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from leworld.cli._main import top

QUICK = ["--task", "tworoom", "--seeds", "0", "--steps", "2", "--batch-size", "4", "--episodes", "3"]
QUICK += ["--protocol", "same-room", "--pairs", "2", "--probed", "4", "--samples", "6", "--iterations", "2"]


def compare(*arguments: str) -> Result:
    result = CliRunner().invoke(top, ["compare", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compare")


@pytest.fixture(scope="module")
def first(place: Path) -> Result:
    return compare(*QUICK, "--models", "lewm", "--out", str(place))


def test_it_prints_and_writes(first: Result, place: Path) -> None:
    assert first.exit_code == 0, first.output
    words = ("lewm", "6 x 2", "same-room", "R2 of position, linear", "GFLOP a plan", "2 steps of 4 windows")
    assert all(word in first.stdout for word in words), first.stdout
    content = json.loads((place / "compare.json").read_text())
    assert content["kind"] == "comparison"
    assert content["rows"][0]["success"]["same-room"]["pairs"] == 2
    assert content["rows"][0]["num_frames"] == 2 * 4 * 2
    assert (place / "compare.png").stat().st_size > 1000
    assert (place / "lewm" / "seed0" / "model" / "config.json").is_file()


def test_what_is_done_is_not_done_again_and_models_are_added(first: Result, place: Path) -> None:
    row = place / "lewm" / "seed0" / "row.json"
    known = json.loads(row.read_text())
    known["num_parameters"] = 12345  # what is read and not measured shows
    row.write_text(json.dumps(known))
    mine = place / "mine.py"
    mine.write_text(
        "from leworld.regularizers import VCReg\n"
        "from leworld.tasks import Contender\n"
        "MINE = Contender(\n"
        "    build=lambda request: request.recipe.build(request.processor, regularizer=VCReg()),\n"
        "    loss_weights=('std', 'covariance', 'regularizer_weight'),\n"
        ")\n"
    )
    second = compare(*QUICK, "--models", f"lewm,{mine}:MINE", "--out", str(place))
    assert second.exit_code == 0, second.output
    rows = {row["model"]: row for row in json.loads((place / "compare.json").read_text())["rows"]}
    assert rows["lewm"]["num_parameters"] == 12345
    assert rows["MINE"]["plan"]["flops"] == rows["lewm"]["plan"]["flops"]
    assert rows["MINE"]["search_at_fixed_flops"] == [6, 2]
    assert len(rows["MINE"]["loss_weights"]) == 3


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        (["--steps", "3"], "recipe"),
        (["--pairs", "3"], "pairs"),
        (["--samples", "8"], "planner"),
    ],
)
def test_a_folder_of_another_comparison_is_refused(
    first: Result, place: Path, changes: list[str], word: str
) -> None:
    result = compare(*QUICK, *changes, "--models", "lewm", "--out", str(place))
    assert (result.exit_code, result.stdout) == (2, "")
    assert word in result.stderr
    assert "other settings" in result.stderr


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        (["--models", "lewmm"], "Did you mean `lewm`"),
        (["--models", "nowhere.py:MINE"], "nowhere.py"),
        (["--models", "lewm,lewm"], "differ"),
        (["--models", ""], "neither"),
        (["--seeds", "0,a"], "0,a"),
        (["--seeds", "0,0"], "differ"),
        (["--seeds", "-1"], "-1"),
        (["--protocol", "far-away"], "far-away"),
        (["--task", "twoo"], "twoo"),
    ],
)
def test_mistakes(tmp_path: Path, changes: list[str], word: str) -> None:
    result = compare(*QUICK, "--models", "lewm", "--out", str(tmp_path / "x"), *changes)
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert word in result.stderr
    assert not (tmp_path / "x").exists()
