"""Mistakes that users make with comparisons and diagnoses, and what they must be told."""

from typing import Any

from leworld.control import MPCPolicy
from leworld.errors import ConfigError, DataError, LeWorldError
from leworld.evaluation import (
    ComparisonResult,
    ComparisonRow,
    DiagnosisResult,
    PartRow,
    PlanCost,
    decision_cost,
    diagnose,
    plan_cost,
)
from leworld.planners import CEMPlanner
from tests.bad_input import BadInput
from tests.evaluation import kinds
from tests.evaluation.kinds import Parts, Recurrent

COST = PlanCost(
    flops=10, plain_flops=30, encode_flops=2, formula_flops=12, plain_formula_flops=30, seconds=0.1
)


def _row(name: str, case: str, call, *mentions: str, error: type[LeWorldError] = ConfigError) -> BadInput:
    return BadInput(f"leworld.evaluation.{name}", case, call, error, mentions)


def row(**changes: Any) -> ComparisonRow:
    """A row of a comparison that was never made."""
    options: dict[str, Any] = {
        "model": "lewm",
        "seed": 0,
        "reached": {"far": (9, 10)},
        "search": (300, 10),
        "fixed_reached": {"far": (9, 10)},
        "fixed_search": (300, 10),
        "cost": COST,
        "fixed_cost": COST,
        "num_parameters": 100,
        "loss_weights": (),
        "probes": {},
        "num_frames": 512,
        "training_seconds": 2.0,
    }
    return ComparisonRow(**options | changes)


def _diagnose(case, *mentions, error: type[LeWorldError] = ConfigError, count: int = 6, **options):
    def call():
        return diagnose(kinds.model(Parts), kinds.episodes(count), **options)

    return _row("diagnose", case, call, *mentions, error=error)


def _cost(case, kind, *mentions, **options):
    def call():
        made, data = kinds.model(kind), kinds.episodes(2)
        start, goal = (data.observation(made.observation_parts, [at]) for at in (0, 1))
        planner = CEMPlanner(num_samples=2, num_iterations=1)
        return plan_cost(made, planner, start=start, goal=goal, **options)

    return _row("plan_cost", case, call, *mentions)


def _decision(case, *mentions, **options):
    def call():
        made, data = kinds.model(Parts), kinds.episodes(2)
        start, goal = (data.observation(made.observation_parts, [at]) for at in (0, 1))
        policy = MPCPolicy(made, CEMPlanner(num_samples=2, num_iterations=1))
        return decision_cost(made, policy, start=start, goal=goal, **options)

    return _row("decision_cost", case, call, *mentions)


ROWS = [
    _decision("no decision to time", "`repeats", "0", repeats=0),
    _row("ComparisonRow", "more reached than pairs", lambda: row(reached={"far": (11, 10)}), "11 of 10"),
    _row("ComparisonRow", "no pair", lambda: row(fixed_reached={"far": (0, 0)}), "0 of 0"),
    _row("ComparisonRow", "negative time", lambda: row(training_seconds=-1.0), "training_seconds"),
    _row("ComparisonRow.interval", "no such protocol", lambda: row().interval("near"), "near", "far"),
    _row(
        "ComparisonRow.from_json",
        "half a row",
        lambda: ComparisonRow.from_json({"model": "lewm"}),
        "to_json",
        error=DataError,
    ),
    _row(
        "ComparisonResult",
        "no row",
        lambda: ComparisonResult("room", rows=(), budget="", settings={}),
        "at least one row",
    ),
    _row(
        "ComparisonResult",
        "a row twice",
        lambda: ComparisonResult("room", rows=(row(), row()), budget="", settings={}),
        "lewm",
    ),
    _row(
        "ComparisonResult",
        "other protocols",
        lambda: ComparisonResult(
            "room", rows=(row(), row(seed=1, reached={"near": (1, 2)})), budget="", settings={}
        ),
        "same protocols",
    ),
    _row(
        "ComparisonResult.from_json",
        "another kind",
        lambda: ComparisonResult.from_json({"kind": "probing", "schema_version": 1}),
        "comparison",
        error=DataError,
    ),
    _row(
        "PartRow",
        "another change",
        lambda: PartRow(part="pixels", change="lost", moved=0.0, error_ratio=1.0, rank=0.5, r2={}),  # type: ignore[arg-type]
        "shuffled",
    ),
    _row(
        "DiagnosisResult.from_json",
        "another kind",
        lambda: DiagnosisResult.from_json({"kind": "probing", "schema_version": 1}),
        "diagnosis",
        error=DataError,
    ),
    _row(
        "DiagnosisResult.from_json",
        "half a result",
        lambda: DiagnosisResult.from_json({"kind": "diagnosis", "schema_version": 1, "parts": []}),
        "to_json",
        error=DataError,
    ),
    _diagnose("no steps", "horizon", horizon=0),
    _diagnose("one problem", "num_problems", num_problems=1),
    _diagnose("one plan", "num_plans", num_plans=1),
    _diagnose("a negative threshold", "blind_below", blind_below=-0.1),
    _diagnose("a threshold of NaN", "lost_above", lost_above=float("nan")),
    _diagnose("a negative seed", "seed", seed=-1),
    _diagnose("too few episodes", "4 episodes", error=DataError, count=3),
    _diagnose("a horizon beyond the episodes", "shorter horizon", error=DataError, horizon=40),
    _cost("a model that carries a state", Recurrent, "carries a state"),
    _cost("no repeats", Parts, "repeats", repeats=0),
]
