"""The result of a search for the regularizer's weight: a table, advice in words, JSON, and a picture."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, final

from ..._checks import plain_numbers
from ..._table import table
from ...errors import ConfigError, DataError
from .._result import Result, draw
from ._row import TuningRow

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_USEFUL, _SURE = 0.5, 2.0


@final
@plain_numbers
@dataclass(frozen=True, eq=False)
class TuningResult(Result):
    """Which weight of the regularizer, lambda, lets planning in the model find what recorded episodes did.

    And of which a quantity that the pictures tell, such as where a pushed block lies, is not lost.

    Attributes:
        name: What was tuned, for the head of the table.
        rows: One row a training, in the order of the search.
        low: Lowest weight of the search.
        high: Highest weight of the search.
        next_step: What to do with the weight, in words; `{weight}` stands for it, and `{lower}` for the next
            smaller one.
        settings: What decided the result, as plain data.

    Raises:
        ConfigError: No row, two rows of one weight, or one outside the search.

    Example:
        ```python
        from leworld.evaluation import PlanAgreement, TuningResult, TuningRow

        def row(weight, correlation):
            found = PlanAgreement(
                correlation=(correlation,), errors=(0.02,), rank=0.1, contrast=0.5, num_problems=100
            )
            return TuningRow(weight=weight, agreement=found, effective_rank=8.0, seconds=20.0)

        rows = (row(0.002, 0.7), row(0.01, 0.9), row(0.05, 0.8))
        result = TuningResult(
            "mine", rows=rows, low=0.001, high=0.1, next_step="train with {weight}", settings={}
        )
        assert result.best.weight == 0.01 and result.interval == (0.002, 0.05)
        assert "train with 0.01" in str(result)
        ```
    """

    name: str
    rows: tuple[TuningRow, ...]
    low: float
    high: float
    next_step: str
    settings: Mapping[str, Any]

    kind: ClassVar[str] = "tuning"

    def __post_init__(self) -> None:
        weights = [row.weight for row in self.rows]
        if (
            not weights
            or len(set(weights)) < len(weights)
            or not all(self.low <= weight <= self.high for weight in weights)
        ):
            raise ConfigError(
                f"TuningResult needs rows of weights that differ, from {self.low} to {self.high}",
                f"the weights are {weights}",
                "Take results from `tune`",
            )

    @property
    def best(self) -> TuningRow:
        """The row of the smallest weight whose `score` is within a standard error of the highest one.

        So ties go to the smaller weight, as longer trainings bear one: the one-standard-error rule of Breiman
        et al., Classification and Regression Trees, 1984.
        """
        top = max(self.rows, key=lambda row: row.score)
        error = top.agreement.error
        least = top.score - (0.0 if math.isnan(error) else error)
        near = [row for row in self.rows if row.score >= least and row.weight < top.weight]
        return min(near, key=lambda row: row.weight, default=top)

    @property
    def interval(self) -> tuple[float, float]:
        """The weights next to the best one on both sides, the ends of the search where none was tried."""
        below, above = self._neighbours()
        return (self.low if below is None else below.weight, self.high if above is None else above.weight)

    def advice(self) -> str:
        """Say which weight to take, how sure that is, what is lost on both sides, and what to do next."""
        best, (below, above) = self.best, self._neighbours()
        score = best.agreement.worst
        if score < _USEFUL:
            return (
                f"No lambda from {self.low:g} to {self.high:g} made a model to plan in: at best, with "
                f"{best.weight:g}, what plans do correlates by {score:.2f} with what the episodes did"
                f"{_component(best)}. Train for more steps, or look at the data and at the parts that the "
                "model reads: lambda is not what is missing."
            )
        said = [
            f"Take lambda {best.weight:g}: what plans do correlates by {score:.2f} with what the episodes did"
            f"{_component(best)}.{_forgets(best)}"
        ]
        alike = [row for row in self.rows if row is not best and not _clearly(best, row)]
        if not alike:
            said.append("Every other weight that was tried is clearly worse.")
        else:
            weights = sorted(row.weight for row in (*alike, best))
            said.append(
                f"That is sure up to the range from {weights[0]:g} to {weights[-1]:g}, within which the "
                "differences are no larger than chance."
            )
        for row, side in ((below, "below"), (above, "above")):
            said.append(
                f"The search began too {'high' if side == 'below' else 'low'} to say what is lost {side}: "
                f"try {'a lower --low' if side == 'below' else 'a higher --high'}."
                if row is None
                else _lost(best, row, side)
            )
        step = self.next_step.replace("{weight}", f"{best.weight:g}").replace(
            "{lower}", f"{self.interval[0]:g}"
        )
        said.append(f"Next: {step}")
        return " ".join(said)

    def table(self) -> str:
        """Return a line for each weight, from the lowest up, and the advice."""
        head = [
            "lambda",
            "correlation of plans",
            "worst component",
            "expert's rank",
            "contrast",
            "effective rank",
            "lost",
            "seconds",
        ]
        lines = [head]
        for row in sorted(self.rows, key=lambda row: row.weight):
            found = row.agreement
            lines.append(
                [
                    f"{row.weight:g}{' *' if row is self.best else ''}",
                    f"{found.worst:.3f} +- {found.error:.3f}",
                    str(found.worst_component),
                    f"{100 * found.rank:.1f} %",
                    f"{found.contrast:.2f}",
                    f"{row.effective_rank:.1f}",
                    ", ".join(row.lost) or "-",
                    f"{row.seconds:.0f}",
                ]
            )
        return "\n".join([f"{self.name}: {len(self.rows)} trainings", table(lines), "", self.advice()])

    def _neighbours(self) -> tuple[TuningRow | None, TuningRow | None]:
        best = self.best.weight
        below = [row for row in self.rows if row.weight < best]
        above = [row for row in self.rows if row.weight > best]
        return (
            max(below, key=lambda row: row.weight, default=None),
            min(above, key=lambda row: row.weight, default=None),
        )

    def _content(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "best": self.best.weight,
            "interval": list(self.interval),
            "low": self.low,
            "high": self.high,
            "next_step": self.next_step,
            "settings": dict(self.settings),
            "rows": [row.to_json() for row in self.rows],
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "TuningResult":
        """Read what `to_json` wrote.

        Raises:
            DataError: Another kind of file, another version, or a field that is missing or malformed.
        """
        TuningResult._check_kind(data)
        try:
            return TuningResult(
                data["name"],
                rows=tuple(map(TuningRow.from_json, data["rows"])),
                low=data["low"],
                high=data["high"],
                next_step=data["next_step"],
                settings=dict(data["settings"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                "TuningResult.from_json needs every field that `to_json` writes",
                f"reading failed with {type(error).__name__}: {error}",
                "Pass the parsed JSON of a file that `save` wrote",
            ) from error

    def plot(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Draw the correlation over lambda and write the picture (png, pdf or svg).

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        return draw("TuningResult.plot", path, self._paint, overwrite=overwrite, size=(5, 3.2))

    def _paint(self, figure: "Figure") -> None:
        panel = figure.subplots()
        rows = sorted(self.rows, key=lambda row: row.weight)
        weights = [row.weight for row in rows]
        panel.errorbar(
            weights,
            [row.agreement.worst for row in rows],
            yerr=[row.agreement.error for row in rows],
            marker="o",
            capsize=2,
            label="worst action component",
        )
        means = [math.fsum(_known(row)) / len(_known(row)) for row in rows]
        panel.plot(weights, means, "k.", markersize=4, label="mean over action components")
        panel.axvline(self.best.weight, color="0.7", linewidth=1, zorder=0)
        panel.set_xscale("log")
        panel.set_ylim(max(-1.0, panel.get_ylim()[0]), 1.0)
        panel.set_xlabel("lambda")
        panel.set_ylabel("correlation of plans")
        panel.legend(fontsize=8)


def _clearly(better: TuningRow, other: TuningRow) -> bool:
    """Whether the difference is more than two standard errors, as if both erred apart."""
    gap = better.score - other.score
    return gap > _SURE * math.hypot(better.agreement.error, other.agreement.error)


def _lost(best: TuningRow, row: TuningRow, side: str) -> str:
    """Say what another weight loses against the best one."""
    one, other = best.agreement, row.agreement
    return (
        f"{side.capitalize()}, with {row.weight:g}, the correlation is {other.worst:.2f}{_component(row)}, "
        f"the expert's plan ranks at {100 * other.rank:.1f} % against {100 * one.rank:.1f} %, and the "
        f"contrast of costs is {other.contrast:.2f} against {one.contrast:.2f}.{_forgets(row)}"
    )


def _forgets(row: TuningRow) -> str:
    """Say which quantities a model has lost."""
    if not row.lost:
        return ""
    told = [f"{name} ({row.missing[name]:.2f} of R2)" for name in row.lost]
    return f" The latent lacks what the pictures tell of {', '.join(told)}."


def _known(row: TuningRow) -> list[float]:
    """Correlations of the components that vary."""
    return [value for value in row.agreement.correlation if not math.isnan(value)]


def _component(row: TuningRow) -> str:
    """Name the worst component where there are several."""
    several = len(_known(row)) > 1
    return f" (action component {row.agreement.worst_component})" if several else ""
