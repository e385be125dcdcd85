"""`tune`: the search finds the peak of known scores, keeps what is done, and refuses what does not fit."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from leworld.data import Windows
from leworld.errors import ConfigError
from leworld.tasks import Recipe, TwoRoomRecipe, get_task, tune, tune_recorded
from leworld.tasks._tuning._search import next_weight
from leworld.training import TrainSettings
from tests.tasks.wrong import SEARCHES

LOW, HIGH = 5e-4, 0.5
TASK = get_task("tworoom")
Next = Callable[[float, float, dict[float, float]], float | None]


def found(score: Callable[[float], float], runs: int, following: Next = next_weight) -> float:
    known: dict[float, float] = {}
    while len(known) < runs and (weight := following(LOW, HIGH, known)) is not None:
        assert weight not in known
        assert LOW <= weight <= HIGH
        known[weight] = score(weight)
    return max(known, key=lambda weight: -math.inf if math.isnan(known[weight]) else known[weight])


def check_finds_peaks(following: Next) -> None:
    """Wherever a peak lies, the best of n trials is within half of the last distance."""
    for peak in np.geomspace(LOW, HIGH, 41):
        for runs, factor in ((3, 5.7), (5, 2.4), (7, 2.4**0.5), (9, 2.4**0.25)):
            best = found(lambda weight, peak=peak: -abs(math.log(weight / peak)), runs, following)
            inside = LOW * factor < peak < HIGH / factor
            assert not inside or abs(math.log(best / peak)) < math.log(factor), (peak, runs, best)


def check_bears_noise(following: Next) -> None:
    """Scores that noise disturbs by less than a neighbour's distance still lead near the peak."""
    drawn = np.random.default_rng(0)
    for peak in np.geomspace(4 * LOW, HIGH / 4, 9):
        for _ in range(10):
            best = found(
                lambda weight, peak=peak: -(math.log(weight / peak) ** 2) + 0.1 * drawn.normal(), 7, following
            )
            assert abs(math.log(best / peak)) < math.log(3)


CHECKS = (check_finds_peaks, check_bears_noise)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_search(check: Callable[[Next], None]) -> None:
    check(next_weight)


@pytest.mark.parametrize("following", SEARCHES, ids=lambda search: search.__name__)
def test_a_wrong_search_is_rejected(following: Next) -> None:
    with pytest.raises(AssertionError):
        check_finds_peaks(following)


def test_a_score_that_is_no_number_counts_as_the_worst() -> None:
    assert found(lambda weight: weight if weight < 0.01 else math.nan, 5) < 0.01


def test_it_ends_when_weights_can_no_longer_be_told_apart() -> None:
    assert found(lambda weight: weight, 1000) < HIGH


SETTINGS = TrainSettings(batch_size=4, batchnorm_windows=8)


def recipe() -> Recipe:
    return TwoRoomRecipe(num_episodes=3, embedding_dim=8, settings=SETTINGS)


def tuned(folder: Path, **options):
    return tune(
        TASK, folder=folder, recipe=recipe(), **{"num_runs": 3, "num_steps": 1, "progress": False} | options
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tune")


@pytest.fixture(scope="module")
def first(place: Path):
    return tuned(place)


def test_it_trains_and_measures(first, place: Path) -> None:
    assert [row.weight for row in first.rows] == [0.0158, 0.00281, 0.0889]
    assert all(row.seconds > 0 and row.effective_rank > 0 for row in first.rows)
    assert all(len(row.agreement.correlation) == 2 for row in first.rows)
    assert sorted(path.name for path in place.glob("lambda-*")) == [
        "lambda-0.00281",
        "lambda-0.0158",
        "lambda-0.0889",
    ]
    assert (place / "lambda-0.0158" / "state.ckpt").is_file()
    assert first.next_step.startswith("`leworld train tworoom --lambda {weight}`. The search took 1 steps")


def test_it_reads_what_is_done_and_refines(first, place: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in place.rglob("row.json")}
    again = tuned(place, num_runs=4)
    assert again.rows[:3] == first.rows
    assert len(again.rows) == 4
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


@pytest.mark.parametrize("change", [{"num_steps": 2}, {"seed": 1}, {"low": 1e-3}, {"high": 0.4}])
def test_another_search_needs_another_folder(first, place: Path, change) -> None:
    with pytest.raises(ConfigError, match="search with other settings"):
        tuned(place, **change)


def test_a_row_that_is_damaged_is_told(first, place: Path, tmp_path: Path) -> None:
    own = tmp_path / "damaged"
    shutil.copytree(place, own)
    row = own / "lambda-0.0158" / "row.json"
    row.write_text(json.dumps(json.loads(row.read_text()) | {"correlation": None}))
    with pytest.raises(ConfigError, match=r"row\.json failed"):
        tuned(own)


def test_recordings_need_no_task(tmp_path: Path) -> None:
    recorded = TASK.collect(3)
    made = []

    def build(weight: float):
        made.append(weight)
        plan = TwoRoomRecipe(embedding_dim=8, regularizer_weight=weight)
        return plan.build(plan.processor(recorded))

    settings = TrainSettings(num_steps=1, batch_size=4, batchnorm_windows=8)
    options = {"held_out": TASK.held_out(4), "folder": tmp_path, "num_runs": 3, "settings": settings}
    windows = Windows(recorded, 1, frameskip=5)
    result = tune_recorded(build, windows, **options)
    assert [row.weight for row in result.rows] == made
    assert "build the model with" in result.next_step
    assert tune_recorded(build, windows, **options).rows == result.rows
    assert len(made) == 3
