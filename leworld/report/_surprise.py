"""Whether the impossible surprises the model."""

import math

import numpy as np

from ..evaluation import SurpriseResult
from ..metrics import wilson_interval
from ._html import check_result, figure, grid, paragraph, table
from ._plot import Plot, span
from ._section import Section

TITLE = "Surprise"
_NUM_BINS = 36


def surprise_section(result: SurpriseResult) -> Section:
    """Show a surprise result: detection and false alarms, curves around the events, and all scores.

    Args:
        result: What `leworld.evaluation.surprise` returned, or read from JSON (then without histograms).

    Raises:
        ConfigError: Another kind of result.

    Example:
        ```python
        from leworld.evaluation import AlarmLevel, SurpriseResult, SurpriseRow
        from leworld.report import surprise_section

        row = SurpriseRow(
            "teleport", num_events=4, num_detected=(3,), auroc=0.9, t=4.0, p_value=0.03, effect_size=2.0
        )
        level = AlarmLevel(0.05, threshold=1.5, frames={"all": (9, 200)}, events={})
        result = SurpriseResult(
            rows=(row,), levels=(level,), num_calibration=200, spread={}, undefined={}, seed=0
        )
        assert "75.0 %" in surprise_section(result).body
        ```
    """
    check_result("surprise_section", "result", result, SurpriseResult, "`surprise`")
    rates = [f"{100 * level.rate:g} %" for level in result.levels]
    header = ["event", "events", *(f"detected at {rate}" for rate in rates), "AUROC", "effect size"]
    rows = [
        [
            row.kind,
            row.num_events,
            *(_share(count, row.num_events) for count in row.num_detected),
            f"{row.auroc:.4f}",
            "" if math.isnan(row.effect_size) else f"{row.effect_size:.2f}",
        ]
        for row in result.rows
    ]
    lead = (
        "Surprise is the squared distance between a frame's embedding and what the model predicted. Each "
        "event is something impossible in episodes that are otherwise normal; it counts as detected when its "
        "first frame is above the threshold that lets only the given share of normal frames pass for alarms "
        f"({result.num_calibration:,} normal frames set it). Brackets hold 95 % intervals."
    )
    body = paragraph(lead) + table(header, rows, label="Detection of impossible events")
    normal = [
        [f"frames, {name}", level0[1], *(_share(*level.frames[name]) for level in result.levels)]
        for name, level0 in result.levels[0].frames.items()
    ]
    normal += [
        [f"events, {name}", level0[1], *(_share(*level.events[name]) for level in result.levels)]
        for name, level0 in result.levels[0].events.items()
    ]
    header = ["undisturbed", "count", *(f"false alarms at {rate}" for rate in rates)]
    body += table(header, normal, label="False alarms")
    for kind, reason in result.undefined.items():
        body += paragraph(f"{kind}: undefined. {reason}", style="missing")
    figures = [_around(result, index) for index in range(len(result.rows))]
    if result.scores:
        figures.append(_histogram(result))
    return Section(TITLE, body + (grid(*figures) if figures else ""))


def _share(count: int, total: int) -> str:
    if total == 0:
        return "no case"
    bounds = wilson_interval(count, total)
    return f"{100 * count / total:.1f} % [{100 * bounds.low:.1f}, {100 * bounds.high:.1f}]"


def _around(result: SurpriseResult, index: int) -> str:
    row, threshold = result.rows[index], result.levels[0].threshold
    bounds = span(row.disturbed, row.undisturbed, [threshold], log=True)
    label = "frames after the event"
    chart = Plot(
        span(row.offsets, margin=0.02), bounds, x_label=label, y_label="surprise", y_log=True, height=210
    )
    chart.vertical(0)
    chart.horizontal(threshold, f"alarm at {100 * result.levels[0].rate:g} %")
    chart.line(row.offsets, row.undisturbed, series=1)
    chart.line(row.offsets, row.disturbed, series=2)
    chart.points(row.offsets, row.disturbed, series=2, large=True)
    place = row.offsets.index(0) if 0 in row.offsets else 0
    alt = (
        f"Mean surprise around {row.kind}: {row.disturbed[place]:.3g} at the event, "
        f"{row.undisturbed[place]:.3g} in the same frame undisturbed, alarm above {threshold:.3g}."
        if row.offsets
        else f"No frame around {row.kind}."
    )
    mean = f"mean over {row.num_events} events"
    caption = f"{row.kind}, at the dashed line: {mean}; {row.detected:.0%} raise an alarm."
    return figure(chart.svg(alt), caption, legend={"disturbed": 2, "undisturbed": 1})


def _histogram(result: SurpriseResult) -> str:
    kind = result.rows[0].kind if result.rows else None
    shown = ["normal frames", *result.levels[0].events][:2] + ([kind] if kind else [])
    logs = {name: np.log10(np.maximum(result.scores[name].numpy(), 1e-9)) for name in shown}
    logs = {name: values for name, values in logs.items() if len(values)}
    low, high = min(v.min() for v in logs.values()), max(v.max() for v in logs.values())
    edges = np.linspace(low, high + 1e-6, _NUM_BINS + 1)
    shares = {name: np.histogram(v, edges)[0] / len(v) for name, v in logs.items()}
    top = 1.1 * max(float(share.max()) for share in shares.values())
    chart = Plot((10**low, 10**high), (0.0, top), x_label="surprise", y_label="share", x_log=True, height=210)
    series = dict(zip(logs, (1, 3, 2), strict=False))
    if kind in series:
        series[kind] = 2
    for name, share in shares.items():
        chart.steps(10**edges, share, series=series[name])
    strictest = result.levels[-1]
    chart.vertical(strictest.threshold, f"alarm at {100 * strictest.rate:g} %")
    parts = ", ".join(f"{name} from {10 ** v.min():.3g} to {10 ** v.max():.3g}" for name, v in logs.items())
    return figure(
        chart.svg(f"Histograms of surprise: {parts}."), f"All scores: {parts}.", legend=dict(series)
    )
