"""The result of the surprise protocol: a table, a JSON file and curves around the event."""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

from .._checks import require
from .._files import write_atomically
from ..errors import DataError, ShapeError
from ..metrics import wilson_interval

_KIND, _VERSION = "surprise", 1


@final
@dataclass(frozen=True)
class SurpriseRow:
    """How one kind of event shows in the surprise of the frame at which it happens.

    Attributes:
        kind: What happens.
        num_events: Number of episodes, one event each.
        num_detected: Events whose frame raised an alarm.
        auroc: Probability that the event's frame is more surprising than a normal frame.
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
            "teleport", num_events=4, num_detected=3, auroc=0.9, t=4.0, p_value=0.03, effect_size=2.0
        )
        assert row.detected == 0.75
        ```
    """

    kind: str
    num_events: int
    num_detected: int
    auroc: float
    t: float
    p_value: float
    effect_size: float
    offsets: tuple[int, ...] = ()
    disturbed: tuple[float, ...] = ()
    undisturbed: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        curves = {len(self.offsets), len(self.disturbed), len(self.undisturbed)}
        if self.num_events < 1 or not 0 <= self.num_detected <= self.num_events or len(curves) > 1:
            raise ShapeError(
                "SurpriseRow needs at least one event, no more detected ones, and curves of one length",
                f"{self.num_detected} of {self.num_events} are detected and the curves have {curves} entries",
                "Take rows from `surprise`",
            )

    @property
    def detected(self) -> float:
        """Share of events that raised an alarm: the true-positive rate."""
        return self.num_detected / self.num_events


@final
@dataclass(frozen=True)
class SurpriseResult:
    """What the surprise protocol found: one row a kind of event, and how often normal frames raise an alarm.

    `print(result)` shows the table with 95 % Wilson intervals; frames of one episode depend on each other, so
    the intervals of false alarms are somewhat too narrow.

    Attributes:
        rows: One row for each kind of event.
        false_alarm_rate: The chosen rate.
        threshold: The surprise above which a frame raises an alarm.
        num_calibration: Normal frames that set it.
        normal: Name -> (alarms, frames) of undisturbed frames: all of them, and those that were named.
        undefined: Kinds that could not be judged, with the reason.
        seed: Seed of splits and events.

    Raises:
        ShapeError: More alarms than frames, or nothing at all.

    Example:
        ```python
        from leworld.evaluation import SurpriseResult, SurpriseRow

        row = SurpriseRow(
            "teleport", num_events=4, num_detected=3, auroc=0.9, t=4.0, p_value=0.03, effect_size=2.0
        )
        result = SurpriseResult(
            rows=(row,),
            false_alarm_rate=0.05,
            threshold=1.5,
            num_calibration=200,
            normal={"all": (9, 200)},
            undefined={},
            seed=0,
        )
        assert "75.0%" in str(result) and "4.5%" in str(result)
        assert SurpriseResult.from_json(result.to_json()) == result
        ```
    """

    rows: tuple[SurpriseRow, ...]
    false_alarm_rate: float
    threshold: float
    num_calibration: int
    normal: Mapping[str, tuple[int, int]]
    undefined: Mapping[str, str]
    seed: int

    def __post_init__(self) -> None:
        if not self.normal or any(not 0 <= alarms <= frames for alarms, frames in self.normal.values()):
            raise ShapeError(
                "SurpriseResult needs normal frames, with at most as many alarms as frames",
                f"`normal` is {dict(self.normal)}",
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

    def __str__(self) -> str:
        rate = f"{100 * self.false_alarm_rate:g} %"
        lines = [("event", f"detected at {rate}", "95 % interval", "AUROC", "paired t-test", "effect size")]
        for row in self.rows:
            p_value = "-" if math.isnan(row.p_value) else f"p = {row.p_value:.2g}"
            size = "-" if math.isnan(row.effect_size) else f"{row.effect_size:.2f}"
            share, interval = _share(row.num_detected, row.num_events)
            lines.append((row.kind, share, interval, f"{row.auroc:.4f}", p_value, size))
        lines += [(kind, "undefined", "", "", "", "") for kind in self.undefined]
        text = _columns(lines)
        normal = [("normal frames", "false alarms", "95 % interval", "frames")]
        for name, (alarms, frames) in self.normal.items():
            normal.append((name, *_share(alarms, frames), str(frames)))
        text += ["", *_columns(normal)]
        text += [f"undefined: {kind}: {reason}" for kind, reason in self.undefined.items()]
        return "\n".join(text)

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values; an undefined number becomes None, an infinite one a word."""
        rows = []
        for row in self.rows:
            data = asdict(row) | {"detected": row.detected}
            rows.append({name: _to_json(value) for name, value in data.items()})
        return {
            "schema_version": _VERSION,
            "kind": _KIND,
            "seed": self.seed,
            "false_alarm_rate": self.false_alarm_rate,
            "threshold": self.threshold,
            "num_calibration": self.num_calibration,
            "rows": rows,
            "normal": {name: list(pair) for name, pair in self.normal.items()},
            "undefined": dict(self.undefined),
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "SurpriseResult":
        """Read what `to_json` wrote.

        Raises:
            DataError: Another kind of file, another version, or a field that is missing or malformed.
        """
        known = isinstance(data, Mapping) and (data.get("kind"), data.get("schema_version"))
        try:
            if known != (_KIND, _VERSION):
                raise ValueError(f"kind and version are {known}")
            rows = []
            for row in data["rows"]:
                fields = {name: _from_json(value) for name, value in row.items() if name != "detected"}
                rows.append(SurpriseRow(**fields))
            return SurpriseResult(
                rows=tuple(rows),
                false_alarm_rate=float(data["false_alarm_rate"]),
                threshold=float(data["threshold"]),
                num_calibration=int(data["num_calibration"]),
                normal={name: (int(pair[0]), int(pair[1])) for name, pair in data["normal"].items()},
                undefined=dict(data["undefined"]),
                seed=int(data["seed"]),
            )
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise DataError(
                f"SurpriseResult.from_json needs what `to_json` wrote, version {_VERSION}",
                f"reading failed with {type(error).__name__}: {error}",
                "Pass the parsed JSON of a file that `save` wrote",
            ) from error

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write `to_json` to a file and return its path."""
        text = json.dumps(self.to_json(), indent=1, allow_nan=False) + "\n"
        return write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))

    def plot(self, path: str | os.PathLike[str]) -> Path:
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
        return write_atomically(path, self._draw)

    def _draw(self, path: Path) -> None:
        require("matplotlib", extra="viz", purpose="Plotting a result")
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(3.2 * len(self.rows), 3.2), layout="constrained")
        FigureCanvasAgg(figure)
        panels = figure.subplots(1, len(self.rows), squeeze=False, sharey=True)[0]
        for panel, row in zip(panels, self.rows, strict=True):
            panel.plot(row.offsets, row.undisturbed, color="0.5", label="undisturbed")
            panel.plot(row.offsets, row.disturbed, color="#b2182b", marker="o", markersize=3, label=row.kind)
            panel.axhline(self.threshold, color="0.3", linestyle="--", linewidth=0.8)
            panel.set_title(f"{row.kind}: {row.detected:.0%} detected", fontsize=9)
            panel.set_xlabel("frames after the event")
        panels[0].set_ylabel("surprise (dashed: alarm)")
        panels[0].set_yscale("symlog", linthresh=max(self.threshold, 1e-12))
        figure.savefig(path, dpi=150)


def _share(count: int, total: int) -> tuple[str, str]:
    if total == 0:
        return "-", ""
    interval = wilson_interval(count, total)
    return f"{count / total:.1%}", f"{interval.low:.1%} to {interval.high:.1%}"


def _columns(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def _to_json(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_to_json(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _from_json(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return {None: math.nan, "Infinity": math.inf, "-Infinity": -math.inf}.get(value, value)
