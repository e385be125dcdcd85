"""The comparison of regularizers goes on where it was, chooses weights by its rule, and merges all rows."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lightning")
pytest.importorskip("h5py")
pytest.importorskip("gymnasium")

from benchmarks.tworoom import regularizers as suite
from benchmarks.tworoom.regularizers import Job, next_factor
from tests.test_benchmarks import faults

PEAK = 4.0


def measured(job: Job) -> dict[str, Any]:
    """A made-up row: four times the guess reaches the most goals."""
    factor = job.weight / suite.guessed_weight(job.regularizer)
    success = 0.9 / max(factor / PEAK, PEAK / factor)
    row = {"cpu_seconds": 1.0, "collapse_reported": False, "probe_r2": 0.9, "probe_r2_x": 0.9}
    return row | dict.fromkeys(suite.PROTOCOLS, success)


def make(folder: Path, phase: str) -> list[Job]:
    """Write every missing row of a phase."""
    made = []
    while (jobs := suite.missing_jobs(folder)) and jobs[0].phase == phase:
        for job in jobs:
            suite.write_row(job, folder, measured(job))
        made += jobs
    return made


def test_a_row_is_made_once(tmp_path: Path) -> None:
    jobs = suite.missing_jobs(tmp_path)
    assert [job.regularizer for job in jobs] == list(suite.REGULARIZERS)
    suite.write_row(jobs[-1], tmp_path, measured(jobs[-1]))
    after = suite.missing_jobs(tmp_path)
    assert after[:-1] == jobs[:-1]
    assert after[-1] == replace(jobs[-1], weight=suite.SWEEP_RATIO * jobs[-1].weight)
    assert suite.read_row(jobs[-1], tmp_path) == asdict(jobs[-1]) | measured(jobs[-1])


def test_a_row_made_under_other_conditions_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = suite.missing_jobs(tmp_path)[0]
    suite.write_row(job, tmp_path, measured(job))
    assert suite.read_row(replace(job, num_steps=job.num_steps + 1), tmp_path) is None
    monkeypatch.setattr(suite, "NUM_PAIRS", suite.NUM_PAIRS + 1)
    assert suite.read_row(job, tmp_path) is None


def test_the_search_climbs_and_stops() -> None:
    assert next_factor({}) == 1
    assert next_factor({1: (0.5, 0.5)}) == 4
    assert next_factor({1: (0.5, 0.5), 4: (0.6, 0.1)}) == 16
    assert next_factor({1: (0.5, 0.5), 4: (0.5, 0.4)}) == 0.25  # equal success: the probe decides
    assert next_factor({1: (0.5, 0.5), 4: (0.6, 0.1), 16: (0.55, 1.0)}) is None
    assert next_factor({1: (0.5, 0.5), 4: (0.6, 0.1), 16: (0.7, 0.1)}) == 64
    assert next_factor({1: (0.5, 0.5), 4: (0.6, 0.5), 16: (0.7, 0.5), 64: (0.8, 0.5)}) is None  # enough tried


def test_guessed_weights_pull_as_hard_as_the_recipes_sigreg() -> None:
    due = suite.SIZE.regularizer_weight * suite.pull(suite.REGULARIZERS["SIGReg"]())
    assert due > 0
    for name, build in suite.REGULARIZERS.items():
        assert suite.guessed_weight(name) * suite.pull(build()) == pytest.approx(due, rel=0.34)  # one digit


def test_every_row_comes_with_the_chosen_weights_seed_by_seed(tmp_path: Path) -> None:
    searched = make(tmp_path, "sweep")
    assert {job.seed for job in searched} == {suite.SWEEP_SEED}
    assert suite.SWEEP_SEED not in suite.SEEDS
    final = suite.missing_jobs(tmp_path)
    assert [job.seed for job in final] == [seed for seed in suite.SEEDS for _ in suite.REGULARIZERS]
    for job in final:
        settings = job.recipe.settings
        assert job.weight == job.recipe.regularizer_weight == PEAK * suite.guessed_weight(job.regularizer)
        assert (settings.seed, settings.num_steps) == (job.seed, suite.NUM_STEPS)
    assert make(tmp_path, "final") == final
    (tmp_path / "episodes").mkdir()
    for seed in (suite.SWEEP_SEED, *suite.SEEDS):
        (tmp_path / "episodes" / f"seed{seed}.json").write_text("2.5", encoding="utf-8")
    result = json.loads(suite.merge(tmp_path, results=tmp_path).read_text(encoding="utf-8"))
    assert not faults(result, suite.NAME)
    assert sum(row["phase"] == "sweep" for row in result["rows"]) == len(searched) == 15
    assert sum(row["phase"] == "final" for row in result["rows"]) == len(final) == 25
    assert min(result["settings"]["regularizer_milliseconds"].values()) > 0
    assert set(result["settings"]["collection_cpu_seconds"].values()) == {2.5}
