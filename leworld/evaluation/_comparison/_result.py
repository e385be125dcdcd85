"""The result of a comparison: two tables, a JSON file, and a picture."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING, Any, ClassVar, final

from ..._checks import plain_numbers
from ..._table import table
from ...errors import ConfigError, DataError
from ...metrics import Interval, wilson_interval
from .._result import Result, draw
from ._row import ComparisonRow

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COSTS = (
    "model",
    "GFLOP a plan",
    "without cache",
    "by formula",
    "seconds a plan",
    "parameters",
    "loss weights",
    "training seconds",
    "of it before",
    "frames seen",
)


@final
@plain_numbers
@dataclass(frozen=True, eq=False)
class ComparisonResult(Result):
    """What several models reached on one task with one protocol and one budget, and what it cost.

    The table has one line a model, over all seeds. Success is told with the 95 % Wilson interval of all its
    pairs, which takes the trainings as given, and, with several seeds, with the lowest and highest seed,
    which shows how much they differ. `fixed FLOPs` is the search that takes no more operations than a plan
    of the first model. Each training's own numbers are in the JSON.

    Attributes:
        task: Name of the task.
        rows: One row for each model and seed.
        budget: What all models were given alike, in words.
        settings: What decided the result, as plain data.

    Raises:
        ConfigError: There is no row, two rows of one model and seed, or rows of different protocols.

    Example:
        ```python
        from leworld.evaluation import ComparisonResult, ComparisonRow, PlanCost

        cost = PlanCost(
            flops=10,
            plain_flops=30,
            encode_flops=2,
            formula_flops=12,
            plain_formula_flops=30,
            seconds=0.1,
        )
        reached = {"cross-door": (9, 10)}
        row = ComparisonRow(
            model="lewm", seed=0, reached=reached, search=(300, 10), fixed_reached=reached,
            fixed_search=(300, 10), cost=cost, fixed_cost=cost, num_parameters=100,
            loss_weights=("regularizer_weight",), probes={}, num_frames=512, training_seconds=2.0,
        )
        result = ComparisonResult("tworoom", rows=(row,), budget="2 steps", settings={})
        assert "90 % (60 to 98)" in str(result)
        assert ComparisonResult.from_json(result.to_json()).rows == result.rows
        ```
    """

    task: str
    rows: tuple[ComparisonRow, ...]
    budget: str
    settings: Mapping[str, Any]

    kind: ClassVar[str] = "comparison"

    def __post_init__(self) -> None:
        keys = [(row.model, row.seed) for row in self.rows]
        played = {(tuple(row.reached), tuple(row.fixed_reached)) for row in self.rows}
        if not keys or len(set(keys)) < len(keys) or len(played) > 1:
            raise ConfigError(
                "ComparisonResult needs at least one row, one for each model and seed, of the same protocols",
                f"the rows are {keys}, of {len(played)} kinds of protocols",
                "Take results from `compare`",
            )

    @property
    def models(self) -> dict[str, list[ComparisonRow]]:
        """The rows of every model, in the order given."""
        names = dict.fromkeys(row.model for row in self.rows)
        return {name: [row for row in self.rows if row.model == name] for name in names}

    def table(self) -> str:
        """Return what was reached, what was known, and what it cost, one line a model."""
        models = self.models
        protocols = list(self.rows[0].reached)
        head = ["model", "search", *protocols]
        lines = [head]
        for name, rows in models.items():
            for fixed in (False, True):
                search = _search([row.fixed_search if fixed else row.search for row in rows])
                if fixed and search == _search([row.search for row in rows]):
                    continue
                told = f"{search}, fixed FLOPs" if fixed else search
                lines.append([name, told, *(_success(rows, protocol, fixed) for protocol in protocols)])
        probes = [(quantity, probe) for quantity, found in self.rows[0].probes.items() for probe in found]
        known = [["model", *(f"R2 of {quantity}, {probe}" for quantity, probe in probes)]]
        known += [[name, *(_r2(rows, *key) for key in probes)] for name, rows in models.items()]
        costs: list[Sequence[str]] = [_COSTS]
        for name, rows in models.items():
            row = rows[0]
            costs.append(
                [
                    name,
                    f"{row.cost.flops / 1e9:.3g}",
                    f"{row.cost.plain_flops / 1e9:.3g}",
                    f"{row.cost.formula_flops / 1e9:.3g}",
                    f"{median(each.cost.seconds for each in rows):.3g}",
                    f"{row.num_parameters:,}",
                    str(len(row.loss_weights)),
                    f"{fmean(each.training_seconds for each in rows):.0f}",
                    f"{fmean(each.pretraining_seconds for each in rows):.0f}",
                    f"{row.num_frames:,}",
                ]
            )
        seeds = ", ".join(map(str, dict.fromkeys(row.seed for row in self.rows)))
        first = f"{self.task}, seeds {seeds}: {self.budget}"
        tables = [table(lines), *([table(known)] if probes else []), table(costs)]
        return "\n".join([first, *(f"\n{text}" for text in tables)])

    def _content(self) -> dict[str, Any]:
        return {
            "task": self.task,
            "budget": self.budget,
            "settings": dict(self.settings),
            "rows": [row.to_json() for row in self.rows],
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "ComparisonResult":
        """Read what `to_json` wrote.

        Raises:
            DataError: Another kind of file, another version, or a field that is missing or malformed.
        """
        ComparisonResult._check_kind(data)
        try:
            rows = tuple(map(ComparisonRow.from_json, data["rows"]))
            return ComparisonResult(
                data["task"], rows=rows, budget=data["budget"], settings=dict(data["settings"])
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                "ComparisonResult.from_json needs every field that `to_json` writes",
                f"reading failed with {type(error).__name__}: {error}",
                "Pass the parsed JSON of a file that `save` wrote",
            ) from error

    def plot(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Draw success by protocol, one group of bars a protocol, and write the picture (png, pdf or svg).

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        return draw(
            "ComparisonResult.plot",
            path,
            lambda figure: _paint(figure, self.models),
            overwrite=overwrite,
            size=(7, 3.6),
        )


def pooled(rows: Sequence[ComparisonRow], protocol: str, *, fixed: bool) -> tuple[float, Interval]:
    """Return success over all pairs of all seeds, with its Wilson interval."""
    counts = [(row.fixed_reached if fixed else row.reached)[protocol] for row in rows]
    reached, pairs = (sum(part) for part in zip(*counts, strict=True))
    return reached / pairs, wilson_interval(reached, pairs)


def _success(rows: Sequence[ComparisonRow], protocol: str, fixed: bool) -> str:
    share, ends = pooled(rows, protocol, fixed=fixed)
    text = f"{100 * share:.0f} % ({100 * ends.low:.0f} to {100 * ends.high:.0f})"
    if len(rows) > 1:
        each = [pooled([row], protocol, fixed=fixed)[0] for row in rows]
        text += f", seeds {100 * min(each):.0f} to {100 * max(each):.0f}"
    return text


def _search(searches: Sequence[tuple[int, int] | None]) -> str:
    told = ["its own" if search is None else f"{search[0]} x {search[1]}" for search in searches]
    return " or ".join(dict.fromkeys(told))


def _r2(rows: Sequence[ComparisonRow], quantity: str, probe: str) -> str:
    found = [row.probes[quantity][probe][0] for row in rows if probe in row.probes.get(quantity, {})]
    if not found:
        return "-"
    spread = f" ({min(found):.3f} to {max(found):.3f})" if len(found) > 1 else ""
    return f"{fmean(found):.3f}{spread}"


def _paint(figure: "Figure", models: Mapping[str, list[ComparisonRow]]) -> None:
    panel = figure.subplots()
    protocols = list(next(iter(models.values()))[0].reached)
    width = 0.8 / len(models)
    for index, (name, rows) in enumerate(models.items()):
        found = [pooled(rows, protocol, fixed=False) for protocol in protocols]
        places = [place + (index - (len(models) - 1) / 2) * width for place in range(len(protocols))]
        shares = [share for share, _ in found]
        errors = [
            [max(0.0, share - ends.low) for share, ends in found],
            [max(0.0, ends.high - share) for share, ends in found],
        ]
        panel.bar(places, shares, 0.9 * width, yerr=errors, label=name, capsize=2)
        for place, protocol in zip(places, protocols, strict=True):
            each = [pooled([row], protocol, fixed=False)[0] for row in rows]
            panel.plot([place] * len(each), each, "k.", markersize=3)
    panel.set_xticks(range(len(protocols)), protocols)
    panel.set_ylim(0, 1)
    panel.set_ylabel("goals reached")
    panel.legend(fontsize=8)
