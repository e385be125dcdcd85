"""The result of probing: LeWM's table, a JSON file, and scatter plots."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, final

from torch import Tensor

from ..._checks import plain_numbers
from ..._table import table
from ...errors import ConfigError, DataError
from .._result import Result, draw
from ._probe_row import ProbeRow

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_POINTS = 3000
Key = tuple[str, str, str]


@final
@plain_numbers
@dataclass(frozen=True, eq=False)
class ProbingResult(Result):
    """What probes read off the embeddings of one or several models.

    The table has one line a quantity and model, and for every probe the columns of LeWM's Tables 1, 3
    and 4 (MSE of standardised targets with its standard deviation over samples, and r), then R2 with its 95 %
    interval over episodes. Reasons of undefined rows stand below, and which rows show nothing: their
    interval holds 0.

    Attributes:
        rows: One row for each quantity, model and probe.
        seed: The seed of split, probes and resampling.
        predictions: Predicted and true targets of the test samples by (quantity, model, probe); empty when
            read from JSON.

    Raises:
        ConfigError: There is no row, or two rows for the same quantity, model and probe.

    Example:
        ```python
        from leworld.evaluation import ProbeRow, ProbingResult

        row = ProbeRow("position", model="LeWM", probe="linear", mse=0.01, mse_std=0.02, r2=0.99)
        result = ProbingResult(rows=(row,), seed=0)
        assert "0.010 +- 0.020" in str(result)
        assert ProbingResult.from_json(result.to_json()).row("position").r2 == 0.99
        ```
    """

    rows: tuple[ProbeRow, ...]
    seed: int
    predictions: Mapping[Key, tuple[Tensor, Tensor]] = field(default_factory=dict, repr=False)

    kind: ClassVar[str] = "probing"
    version: ClassVar[int] = 2

    def __post_init__(self) -> None:
        keys = [(row.quantity, row.model, row.probe) for row in self.rows]
        if not keys or len(set(keys)) < len(keys):
            raise ConfigError(
                "ProbingResult needs one row for each quantity, model and probe, and at least one",
                f"the rows are {keys}",
                "Take results from `probing`",
            )

    def row(self, quantity: str, *, model: str | None = None, probe: str | None = None) -> ProbeRow:
        """Return the one row of a quantity, and of a model and probe where there are several.

        Raises:
            ConfigError: No such row, or several.
        """
        found = [
            row
            for row in self.rows
            if row.quantity == quantity and model in (None, row.model) and probe in (None, row.probe)
        ]
        if len(found) != 1:
            raise ConfigError(
                "ProbingResult.row needs a quantity, model and probe that name one row",
                f"`{quantity}`, `{model}` and `{probe}` name {len(found)} of "
                f"{[(row.quantity, row.model, row.probe) for row in self.rows]}",
                "Name the model and the probe too",
            )
        return found[0]

    def table(self) -> str:
        """Return one line a quantity and model, and below the reasons of what is undefined."""
        probes = list(dict.fromkeys(row.probe for row in self.rows))
        turned = any(row.degrees == row.degrees for row in self.rows)
        classes = any(row.accuracy == row.accuracy for row in self.rows)
        more = ["degrees"] * turned + ["accuracy (95 % interval), chance"] * classes
        header = ["property", "model"]
        for probe in probes:
            header += [f"{probe} MSE", "r", "R2 (95 % interval)", *more]
        lines = [header]
        for name, model in dict.fromkeys((row.quantity, row.model) for row in self.rows):
            cells = [name, model]
            for probe in probes:
                found = [r for r in self.rows if (r.quantity, r.model, r.probe) == (name, model, probe)]
                cells += _cells(found[0], turned, classes) if found else ["-"] * (3 + len(more))
            lines.append(cells)
        text = table(lines)
        reasons = dict.fromkeys(
            f"undefined: {row.quantity}, {row.model}, {row.probe}: {row.undefined}"
            for row in self.rows
            if row.undefined is not None
        )
        nothing = [
            f"shows nothing: {row.quantity}, {row.model}, {row.probe}: the interval of R2 holds 0, so the "
            "embedding may know no more than the mean"
            for row in self.rows
            if row.shows_nothing
        ]
        return "\n".join([text, *reasons, *nothing])

    def _content(self) -> dict[str, Any]:
        return {"seed": self.seed, "rows": [row.to_json() for row in self.rows]}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "ProbingResult":
        """Read what `to_json` wrote.

        Raises:
            DataError: Another kind of file, another version, or a field that is missing or malformed.
        """
        ProbingResult._check_kind(data)
        if not isinstance(data.get("rows"), list) or "seed" not in data:
            raise DataError(
                "ProbingResult.from_json needs every field that `to_json` writes",
                "rows or seed are missing",
                "Pass the parsed JSON of a file that `save` wrote",
            )
        return ProbingResult(rows=tuple(map(ProbeRow.from_json, data["rows"])), seed=data["seed"])

    def plot(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Draw predicted against true targets, one panel a row, and write the picture (png, pdf or svg).

        Raises:
            ConfigError: There are no predictions: the result comes from JSON, or every row is undefined.
            MissingExtraError: matplotlib is not installed.
        """
        if not self.predictions:
            raise ConfigError(
                "ProbingResult.plot needs predictions",
                "this result has none (JSON files hold none, and undefined rows predict nothing)",
                "Call it on what `probing` returned",
            )
        columns = min(3, len(self.predictions))
        rows = -(-len(self.predictions) // columns)
        return draw(
            "ProbingResult.plot",
            path,
            lambda figure: _paint(figure, self.predictions, rows, columns),
            overwrite=overwrite,
            size=(3.4 * columns, 3.4 * rows),
        )


def _cells(row: ProbeRow, turned: bool, classes: bool) -> list[str]:
    if row.undefined is not None:
        return ["undefined"] + ["-"] * (2 + turned + classes)
    interval = "" if row.r2_interval is None else f" [{row.r2_interval.low:.4f}, {row.r2_interval.high:.4f}]"
    cells = [f"{row.mse:.3f} +- {row.mse_std:.3f}", _number(row.pearson, 3), _number(row.r2, 4) + interval]
    cells += [_number(row.degrees, 2)] * turned
    if classes:
        found = row.accuracy_interval
        interval = "" if found is None else f" [{found.low:.3f}, {found.high:.3f}]"
        cells.append("-" if math.isnan(row.accuracy) else f"{row.accuracy:.3f}{interval}, {row.chance:.3f}")
    return cells


def _number(value: float, digits: int) -> str:
    return "-" if value != value else f"{value:.{digits}f}"


def _paint(
    figure: "Figure", predictions: Mapping[Key, tuple[Tensor, Tensor]], rows: int, columns: int
) -> None:
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, (key, (predicted, truth)) in zip(panels, predictions.items(), strict=False):
        step = -(-len(truth) // _POINTS)
        ends = [float(truth.min()), float(truth.max())]
        panel.plot(ends, ends, color="0.6", linewidth=1)
        for component in range(truth.shape[1]):
            panel.plot(truth[::step, component], predicted[::step, component], ".", markersize=2, alpha=0.5)
        panel.set_title(", ".join(key), fontsize=8)
        panel.set_xlabel("true")
        panel.set_ylabel("predicted")
    for panel in panels[len(predictions) :]:
        panel.axis("off")
