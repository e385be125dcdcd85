"""How the training went, from its log."""

import csv
import math
import os
from pathlib import Path

from ..errors import ConfigError, DataError
from ._html import figure, grid, paragraph
from ._plot import Plot, span
from ._section import Section

TITLE = "Training"
_MOST_POINTS = 600
_CURVES = (
    (
        "prediction_over_copy",
        "error over copying",
        "Prediction error over that of copying the last frame; below 1 the model knows some dynamics.",
        True,
    ),
    (
        "embedding_std",
        "standard deviation",
        "Standard deviation of the embedding; SIGReg draws it to 1, a fall to 0 is collapse.",
        False,
    ),
    ("effective_rank", "effective rank", "Directions that the embedding uses (RankMe).", False),
    ("learning_rate", "learning rate", "Learning rate.", False),
)


def training_section(path: str | os.PathLike[str]) -> Section:
    r"""Show the curves of a training run.

    Args:
        path: The `metrics.csv` that `leworld.training.train` left beside the model.

    Raises:
        ConfigError: Not a path.
        DataError: No such file, or one without rows or without the columns `step` and `loss`.

    Example:
        ```python
        import tempfile
        from pathlib import Path
        from leworld.report import training_section

        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "metrics.csv"
            log.write_text("step,loss\n10,2.0\n20,0.5\n")
            assert "last loss 0.5" in training_section(log).body
        ```
    """
    if not isinstance(path, str | os.PathLike):
        raise ConfigError(
            "training_section needs the path of a metrics.csv", f"it is {path!r}", "Pass a file's name"
        )
    columns = _read(Path(path))
    steps, loss = columns["step"], columns["loss"]
    parts = {
        name: values
        for name, values in (
            ("loss", loss),
            ("prediction error", columns.get("prediction_error")),
            ("regularizer, unweighted", columns.get("regularizer")),
        )
        if values is not None
    }
    figures = [_curves(steps, parts, "Loss and its parts.", "loss", log=True)]
    figures += [_one(columns, *row) for row in _CURVES]
    lead = f"{len(steps)} logged steps up to step {steps[-1]:g}, last loss {loss[-1]:.4g}."
    return Section(TITLE, paragraph(lead) + grid(*filter(None, figures)))


def _one(columns: dict[str, list[float]], name: str, label: str, caption: str, log: bool) -> str:
    values = columns.get(name)
    if values is None or not any(map(math.isfinite, values)):
        return ""
    return _curves(columns["step"], {"": values}, caption, label, log=log)


def _curves(
    steps: list[float], curves: dict[str, list[float]], caption: str, label: str, *, log: bool
) -> str:
    every = -(-len(steps) // _MOST_POINTS)
    bounds = span(*curves.values(), log=log)
    chart = Plot(span(steps, margin=0.0), bounds, x_label="step", y_label=label, y_log=log)
    for series, values in enumerate(curves.values(), start=1):
        chart.line(steps[::every], values[::every], series=series)
    last = ", ".join(f"{name or label} {values[-1]:.4g}" for name, values in curves.items())
    alt = f"{caption} At step {steps[-1]:g}: {last}."
    legend = {name: series for series, name in enumerate(curves, start=1)} if len(curves) > 1 else None
    return figure(chart.svg(alt), caption, legend=legend)


def _read(path: Path) -> dict[str, list[float]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        columns = {name: [_number(row[name]) for row in rows] for name in (rows[0] if rows else {})}
    except (OSError, UnicodeDecodeError, ValueError, TypeError, csv.Error) as error:
        raise DataError(
            "training_section needs a readable metrics.csv",
            f"reading {path} failed ({type(error).__name__}: {error})",
            "Pass the log that `leworld train` left beside the model",
        ) from error
    if not rows or not {"step", "loss"} <= set(columns):
        raise DataError(
            "training_section needs rows with the columns `step` and `loss`",
            f"{path} has {len(rows)} rows and the columns {sorted(columns)}",
            "Pass the log that `leworld train` left beside the model",
        )
    return columns


def _number(text: str | None) -> float:
    if text is None:
        raise ValueError("a row is cut off")
    return math.nan if text == "" else float(text)
