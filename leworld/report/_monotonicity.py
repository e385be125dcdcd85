"""Whether latent distance leads to goals."""

import math

from ..metrics import GoalMonotonicity
from ._html import check_result, figure, grid, paragraph, table
from ._plot import Plot
from ._section import Section

TITLE = "Metric monotonicity"


def monotonicity_section(result: GoalMonotonicity) -> Section:
    """Show how often a step toward a goal lowers the latent distance to it, by distance at the start.

    Args:
        result: What `leworld.evaluation.metric_monotonicity` or `leworld.metrics.goal_monotonicity` returned.

    Raises:
        ConfigError: Another kind of result.

    Example:
        ```python
        from leworld.metrics import GoalMonotonicity
        from leworld.report import monotonicity_section

        result = GoalMonotonicity(edges=(0.0, 10.0, 20.0), share=(1.0, 0.5), count=(3, 1))
        assert "87.5 %" in monotonicity_section(result).body
        ```
    """
    check_result("monotonicity_section", "result", result, GoalMonotonicity, "`metric_monotonicity`")
    known = [0.0 if math.isnan(share) else share for share in result.share]
    chart = Plot(
        (result.edges[0], result.edges[-1]),
        (0.0, 1.05),
        x_label="distance at the start",
        y_label="share of steps",
    )
    chart.steps(result.edges, known)
    chart.horizontal(0.5, "as good as chance")
    spans = [f"{low:g} to {high:g}" for low, high in zip(result.edges[:-1], result.edges[1:], strict=True)]
    rows = [
        (text, count, "" if math.isnan(share) else f"{100 * share:.1f} %")
        for text, count, share in zip(spans, result.count, result.share, strict=True)
    ]
    overall = f"{100 * result.overall:.1f} %"
    rows.append(("all", sum(result.count), overall))
    lead = (
        "A planner follows the latent distance to its goal downhill. Near 1 everywhere, a goal draws from "
        "afar; near one half, far goals all look alike. Of all steps toward a goal, "
        f"{overall} lower the distance."
    )
    described = ", ".join(f"{text}: {share:.0%}" for text, share in zip(spans, known, strict=True))
    alt = f"Share of steps that lower the latent distance; {described}."
    caption = "Share of steps straight toward a goal that lower the latent distance."
    image = figure(chart.svg(alt), caption)
    header = ("start distance", "steps", "lowered")
    return Section(TITLE, paragraph(lead) + grid(image, table(header, rows, label="Steps by start distance")))
