"""Mistakes that users make with the agreement of plans and with searches for a weight."""

from leworld.errors import ConfigError, DataError, LeWorldError
from leworld.evaluation import PlanAgreement, TuningResult, TuningRow, plan_agreement
from leworld.planners import CEMPlanner
from tests.bad_input import BadInput
from tests.evaluation import kinds
from tests.evaluation.kinds import Tokens


def _row(name: str, case: str, call, *mentions: str, error: type[LeWorldError] = ConfigError) -> BadInput:
    return BadInput(f"leworld.evaluation.{name}", case, call, error, mentions)


def _agreement(case, *mentions, error: type[LeWorldError] = ConfigError, **options):
    def call():
        return plan_agreement(kinds.model(Tokens), kinds.episodes(4), **options)

    return _row("plan_agreement", case, call, *mentions, error=error)


def tuning_row(
    weight: float = 0.1, *correlation: float, error: float = 0.02, seconds: float = 20.0
) -> TuningRow:
    """A row of a search that was never made."""
    correlation = correlation or (0.9,)
    errors = (error,) * len(correlation)
    found = PlanAgreement(correlation=correlation, errors=errors, rank=0.1, contrast=0.5, num_problems=100)
    return TuningRow(weight=weight, agreement=found, effective_rank=8.0, seconds=seconds)


def tuning_result(*rows: TuningRow) -> TuningResult:
    """The result of a search that was never made."""
    step = "`leworld train dot --lambda {weight}`"
    return TuningResult("dot", rows=rows, low=1e-3, high=1.0, next_step=step, settings={})


ROWS = [
    _agreement("no planner", "CEMPlanner", planner=3),
    _agreement("two problems", "num_problems", num_problems=2),
    _agreement("a negative seed", "seed", seed=-1),
    _agreement("reversed limits", "action_limits", action_limits=(1.0, -1.0)),
    _agreement(
        "a horizon beyond the episodes",
        "shorter horizon",
        error=DataError,
        planner=CEMPlanner(40, 4, num_elites=2),
    ),
    _row("TuningRow", "no weight", lambda: tuning_row(0.0), "weight"),
    _row("TuningRow", "negative time", lambda: tuning_row(seconds=-1.0), "seconds"),
    _row("TuningRow.from_json", "half a row", lambda: TuningRow.from_json({}), "to_json", error=DataError),
    _row("TuningResult", "no row", lambda: tuning_result(), "weights that differ"),
    _row(
        "TuningResult", "two of one weight", lambda: tuning_result(*[tuning_row()] * 2), "weights that differ"
    ),
    _row("TuningResult", "a weight outside", lambda: tuning_result(tuning_row(2.0)), "2.0"),
    _row(
        "TuningResult.from_json",
        "another kind",
        lambda: TuningResult.from_json({"kind": "probing", "schema_version": 1}),
        "tuning",
        error=DataError,
    ),
    _row(
        "TuningResult.from_json",
        "half a result",
        lambda: TuningResult.from_json({"kind": "tuning", "schema_version": 1, "rows": []}),
        "to_json",
        error=DataError,
    ),
]
