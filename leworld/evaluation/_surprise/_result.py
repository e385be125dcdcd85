"""The result of the surprise protocol: a table, a JSON file and curves around the event."""

import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, final

from torch import Tensor

from ..._checks import plain_numbers
from ...errors import DataError, ShapeError
from ...metrics import wilson_interval
from .._result import Result, draw
from ._alarm_level import AlarmLevel

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@final
@plain_numbers
@dataclass(frozen=True)
class SurpriseRow:
    """How one kind of event shows in the surprise of the frame at which it happens.

    Attributes:
        kind: What happens.
        num_events: Number of episodes, one event each.
        num_detected: Events whose frame raised an alarm, at each false-alarm rate.
        auroc: Probability that the event's frame is more surprising than a normal frame.
        auroc_of: The same against the frames of each named normal event alone.
        t: Paired t statistic of the event's frame against the same frame undisturbed; NaN if not defined.
        p_value: Its two-sided p-value.
        effect_size: Cohen's d of the pairs.
        offsets: Frames before (negative) and after the event.
        disturbed: Mean surprise at each offset.
        undisturbed: Mean surprise of the same frames of the undisturbed episodes.

    Raises:
        ShapeError: No event, more detected than events, or curves of different lengths.

    Example:
        ```python
        from leworld.evaluation import SurpriseRow

        row = SurpriseRow(
            "teleport", num_events=4, num_detected=(3, 2), auroc=0.9, t=4.0, p_value=0.03, effect_size=2.0
        )
        assert row.detected == 0.75  # at the first rate
        ```
    """

    kind: str
    num_events: int
    num_detected: tuple[int, ...]
    auroc: float
    t: float
    p_value: float
    effect_size: float
    offsets: tuple[int, ...] = ()
    disturbed: tuple[float, ...] = ()
    undisturbed: tuple[float, ...] = ()
    auroc_of: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        curves = {len(self.offsets), len(self.disturbed), len(self.undisturbed)}
        possible = self.num_events >= 1 and all(0 <= n <= self.num_events for n in self.num_detected)
        if not possible or not self.num_detected or len(curves) > 1:
            raise ShapeError(
                "SurpriseRow needs at least one event, no more detected ones, and curves of one length",
                f"{list(self.num_detected)} of {self.num_events} are detected and the curves have {curves} "
                "entries",
                "Take rows from `surprise`",
            )

    @property
    def detected(self) -> float:
        """Share of events that raised an alarm at the first rate: the true-positive rate."""
        return self.num_detected[0] / self.num_events


@final
@plain_numbers
@dataclass(frozen=True)
class SurpriseResult(Result):
    """What the surprise protocol found: one row a kind of event, and how often normal frames raise an alarm.

    The tables have 95 % Wilson intervals at the first rate; frames of one episode depend on each other, so
    the intervals of false alarms are somewhat too narrow.

    Attributes:
        rows: One row for each kind of event.
        levels: One threshold for each false-alarm rate, with its false alarms; the first is the headline.
        num_calibration: Normal frames that set the thresholds.
        spread: Name -> (least, median, greatest) surprise of normal frames, of those of named normal events,
            and of the events' frames.
        undefined: Kinds and rates that could not be judged, with the reason.
        seed: Seed of splits and events.
        scores: Name -> all scores behind `spread`; empty when read from JSON.

    Raises:
        ShapeError: No level, or rows with other numbers of levels.

    Example:
        ```python
        from leworld.evaluation import AlarmLevel, SurpriseResult, SurpriseRow

        row = SurpriseRow(
            "teleport", num_events=4, num_detected=(3,), auroc=0.9, t=4.0, p_value=0.03, effect_size=2.0
        )
        level = AlarmLevel(0.05, threshold=1.5, frames={"all": (9, 200)}, events={})
        result = SurpriseResult(
            rows=(row,), levels=(level,), num_calibration=200, spread={}, undefined={}, seed=0
        )
        assert "75.0%" in str(result) and "4.5%" in str(result)
        assert SurpriseResult.from_json(result.to_json()) == result
        ```
    """

    rows: tuple[SurpriseRow, ...]
    levels: tuple[AlarmLevel, ...]
    num_calibration: int
    spread: Mapping[str, tuple[float, float, float]]
    undefined: Mapping[str, str]
    seed: int
    scores: Mapping[str, Tensor] = field(default_factory=dict, repr=False, compare=False)

    kind: ClassVar[str] = "surprise"
    version: ClassVar[int] = 2

    def __post_init__(self) -> None:
        if not self.levels or any(len(row.num_detected) != len(self.levels) for row in self.rows):
            raise ShapeError(
                "SurpriseResult needs at least one level, and in every row one count of detections a level",
                f"there are {len(self.levels)} levels and rows with "
                f"{[len(row.num_detected) for row in self.rows]} counts",
                "Take results from `surprise`",
            )

    def row(self, kind: str) -> SurpriseRow:
        """Return the row of a kind of event.

        Raises:
            DataError: There is none.
        """
        for row in self.rows:
            if row.kind == kind:
                return row
        raise DataError(
            f"SurpriseResult.row needs a kind of event that was judged, not `{kind}`",
            f"there are {[row.kind for row in self.rows]}; undefined: {dict(self.undefined)}",
            "Ask `surprise` for it",
        )

    def table(self) -> str:
        """Return the detections, the false alarms and the spread of the scores."""
        rates = [f"{100 * level.rate:g} %" for level in self.levels]
        head = ["event", f"detected at {rates[0]}", "95 % interval", *(f"at {rate}" for rate in rates[1:])]
        lines = [[*head, "AUROC", "paired t-test", "effect size"]]
        for row in self.rows:
            p_value = "-" if math.isnan(row.p_value) else f"p = {row.p_value:.2g}"
            size = "-" if math.isnan(row.effect_size) else f"{row.effect_size:.2f}"
            counts = _shares([(count, row.num_events) for count in row.num_detected])
            lines.append([row.kind, *counts, f"{row.auroc:.4f}", p_value, size])
        lines += [[kind, "undefined", *[""] * (len(head) + 1)] for kind in self.undefined]
        text = _columns(lines)
        head = ["undisturbed", f"false alarms at {rates[0]}", *head[2:], "count"]
        normal = [head]
        for name in self.levels[0].frames:
            counts = [level.frames[name] for level in self.levels]
            normal.append([f"frames, {name}", *_shares(counts), str(counts[0][1])])
        for name in self.levels[0].events:
            counts = [level.events[name] for level in self.levels]
            normal.append([f"events, {name}", *_shares(counts), str(counts[0][1])])
        text += ["", *_columns(normal)]
        if self.spread:
            spread = [["surprise", "least", "median", "greatest"]]
            spread += [[name, *(f"{v:.3g}" for v in values)] for name, values in self.spread.items()]
            thresholds = [
                f"{level.threshold:.3g} at {r}" for level, r in zip(self.levels, rates, strict=True)
            ]
            text += ["", *_columns(spread), f"alarm above {', '.join(thresholds)}"]
        text += [f"undefined: {kind}: {reason}" for kind, reason in self.undefined.items()]
        return "\n".join(text)

    def _content(self) -> dict[str, Any]:
        rows = []
        for row in self.rows:
            data = asdict(row) | {"detected": row.detected}
            rows.append({name: _to_json(value) for name, value in data.items()})
        return {
            "seed": self.seed,
            "num_calibration": self.num_calibration,
            "rows": rows,
            "levels": [_to_json(asdict(level)) for level in self.levels],
            "spread": _to_json(dict(self.spread)),
            "undefined": dict(self.undefined),
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "SurpriseResult":
        """Read what `to_json` wrote.

        Raises:
            DataError: Another kind of file, another version, or a field that is missing or malformed.
        """
        SurpriseResult._check_kind(data)
        try:
            rows = []
            for row in data["rows"]:
                fields = {name: _from_json(value) for name, value in row.items() if name != "detected"}
                rows.append(SurpriseRow(**fields))
            return SurpriseResult(
                rows=tuple(rows),
                levels=tuple(AlarmLevel(**_from_json(level)) for level in data["levels"]),
                num_calibration=int(data["num_calibration"]),
                spread=_from_json(data["spread"]),
                undefined=dict(data["undefined"]),
                seed=int(data["seed"]),
            )
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise DataError(
                "SurpriseResult.from_json needs every field that `to_json` writes",
                f"reading failed with {type(error).__name__}: {error}",
                "Pass the parsed JSON of a file that `save` wrote",
            ) from error

    def plot(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Draw the mean surprise around every kind of event, and write the picture (png, pdf or svg).

        Raises:
            DataError: No kind of event was judged.
            MissingExtraError: matplotlib is not installed.
        """
        if not self.rows:
            raise DataError(
                "SurpriseResult.plot needs at least one kind of event that was judged",
                "there is none",
                "Read the reasons in `undefined`",
            )
        size = (3.2 * len(self.rows), 3.2)
        return draw("SurpriseResult.plot", path, self._paint, overwrite=overwrite, size=size)

    def _paint(self, figure: "Figure") -> None:
        panels = figure.subplots(1, len(self.rows), squeeze=False, sharey=True)[0]
        for panel, row in zip(panels, self.rows, strict=True):
            panel.plot(row.offsets, row.undisturbed, color="0.5", label="undisturbed")
            panel.plot(row.offsets, row.disturbed, color="#b2182b", marker="o", markersize=3, label=row.kind)
            panel.axhline(self.levels[0].threshold, color="0.3", linestyle="--", linewidth=0.8)
            panel.set_title(f"{row.kind}: {row.detected:.0%} detected", fontsize=9)
            panel.set_xlabel("frames after the event")
        panels[0].set_ylabel("surprise (dashed: alarm)")
        panels[0].set_yscale("symlog", linthresh=max(self.levels[0].threshold, 1e-12))
        panels[0].set_ylim(bottom=0)


def _shares(counts: list[tuple[int, int]]) -> list[str]:
    """The first share with its interval, then the others."""
    if counts[0][1] == 0:
        return ["-", "", *["-"] * (len(counts) - 1)]
    interval = wilson_interval(*counts[0])
    shares = [f"{count / total:.1%}" for count, total in counts]
    return [shares[0], f"{interval.low:.1%} to {interval.high:.1%}", *shares[1:]]


def _columns(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def _to_json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _to_json(entry) for name, entry in value.items()}
    if isinstance(value, tuple):
        return [_to_json(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _from_json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _from_json(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return tuple(_from_json(entry) for entry in value)
    return {None: math.nan, "Infinity": math.inf, "-Infinity": -math.inf}.get(value, value)
