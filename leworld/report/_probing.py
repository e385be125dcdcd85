"""What probes read off the embedding."""

import math

from ..evaluation import ProbeRow, ProbingResult
from ..metrics import Interval
from ._html import check_result, figure, grid, paragraph, table
from ._plot import Plot, span
from ._section import Section

TITLE = "Probes"
_MOST_POINTS = 700


def probing_section(result: ProbingResult) -> Section:
    """Show a probing result: its table, and predicted against true values where it holds them.

    Args:
        result: What `leworld.evaluation.probing` returned, or read from JSON (then without scatter plots).

    Raises:
        ConfigError: Another kind of result.

    Example:
        ```python
        from leworld.evaluation import ProbeRow, ProbingResult
        from leworld.report import probing_section

        row = ProbeRow("position", model="LeWM", probe="linear", mse=0.01, mse_std=0.02, r2=0.99)
        assert "0.9900" in probing_section(ProbingResult(rows=(row,), seed=0)).body
        ```
    """
    check_result("probing_section", "result", result, ProbingResult, "`probing`")
    header = [
        "quantity",
        "model",
        "probe",
        "R2",
        "95 % interval",
        "r",
        "MSE, standardised",
        "episodes",
        "samples",
    ]
    turned = any(not math.isnan(row.degrees) for row in result.rows)
    classes = any(not math.isnan(row.accuracy) for row in result.rows)
    header += ["degrees"] * turned + ["accuracy", "95 % interval", "chance"] * classes
    rows, reasons = [], []
    for row in result.rows:
        rows.append(_cells(row, turned=turned, classes=classes))
        if row.undefined is not None:
            reasons.append(
                paragraph(f"{row.quantity}, {row.model}, {row.probe}: {row.undefined}", style="missing")
            )
        if row.shows_nothing:
            text = "the interval of R2 holds 0, so the embedding may know no more than the mean."
            reasons.append(paragraph(f"{row.quantity}, {row.model}, {row.probe}: {text}", style="missing"))
    lead = (
        "Probes are fitted on frozen embeddings of some episodes and scored on others. R2 is the share of "
        "the variance that they explain: 1 is perfect, 0 is no better than the mean. Intervals resample "
        "episodes."
    )
    body = paragraph(lead) + table(header, rows, label="Probe scores", numbers=3) + "".join(reasons)
    figures = []
    for (quantity, model, probe), (predicted, truth) in result.predictions.items():
        chosen = -(-len(truth) // _MOST_POINTS)
        names, bounds = {}, span(truth.flatten().tolist())
        chart = Plot(bounds, bounds, x_label=f"true {quantity}", y_label="predicted")
        chart.diagonal()
        for component in range(min(4, truth.shape[1])):
            names[f"component {component}"] = component + 1
            chart.points(
                truth[::chosen, component].numpy(),
                predicted[::chosen, component].numpy(),
                series=component + 1,
            )
        r2 = result.row(quantity, model=model, probe=probe).r2
        error = float((predicted - truth).abs().median()) if len(truth) else math.nan
        alt = f"Predicted against true {quantity}: {probe} probe on {model}, R2 {r2:.4f}."
        caption = f"{quantity}, {model}, {probe}: R2 {r2:.4f}, median error {error:.3g}."
        figures.append(figure(chart.svg(alt), caption, legend=names if len(names) > 1 else None))
    return Section(TITLE, body + (grid(*figures) if figures else ""))


def _cells(row: ProbeRow, *, turned: bool, classes: bool) -> list[str]:
    cells = [
        row.quantity,
        row.model,
        row.probe,
        "undefined" if row.undefined is not None else _number(row.r2),
        _interval(row.r2_interval),
        _number(row.pearson),
        _number(row.mse),
        str(row.num_episodes),
        str(row.num_samples),
    ]
    cells += [_number(row.degrees)] * turned
    return cells + [_number(row.accuracy), _interval(row.accuracy_interval), _number(row.chance)] * classes


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4f}"


def _interval(value: Interval | None) -> str:
    return "" if value is None else f"{value.low:.4f} to {value.high:.4f}"
