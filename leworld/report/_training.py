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
_LOG_FROM = 30.0  # a curve that spans more than this factor gets a logarithmic axis


def training_section(path: str | os.PathLike[str], name: str = "") -> Section:
    r"""Show the curves of a training run, one for each column of its log.

    Args:
        path: The `metrics.csv` that `leworld.training.train` left beside the model.
        name: Name of the run, for the captions.

    Raises:
        ConfigError: Not a path, or a name that is no text.
        DataError: No such file, or one without rows, without `step`, or without numbers beside it.

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
    if not isinstance(name, str):
        raise ConfigError(
            "training_section needs `name` to be text", f"it is {name!r}", "Pass the run's name"
        )
    columns = _read(Path(path))
    steps = columns.pop("step")
    figures = [_curve(steps, label.replace("_", " "), values, name) for label, values in columns.items()]
    lead = f"{len(steps)} logged steps up to step {steps[-1]:g}"
    lead += f", last loss {columns['loss'][-1]:.4g}." if "loss" in columns else "."
    return Section(TITLE, paragraph(lead) + grid(*figures))


def _curve(steps: list[float], label: str, values: list[float], name: str) -> str:
    finite = [value for value in values if math.isfinite(value)]
    log = min(finite) > 0 and max(finite) > _LOG_FROM * min(finite)
    every = -(-len(steps) // _MOST_POINTS)
    chart = Plot(span(steps, margin=0.0), span(values, log=log), x_label="step", y_label=label, y_log=log)
    chart.line(steps[::every], values[::every])
    of = f" of {name}" if name else ""
    caption = f"{label[:1].upper()}{label[1:]}{of}, by step."
    return figure(chart.svg(f"{caption} At step {steps[-1]:g}: {values[-1]:.4g}."), caption)


def _read(path: Path) -> dict[str, list[float]]:
    """Return `step` and every other column that holds a number somewhere, in the order of the header."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        steps = [float(row["step"]) for row in rows]
        if any(None in row.values() for row in rows):
            raise ValueError("a row is cut off")
    except (OSError, UnicodeDecodeError, KeyError, ValueError, TypeError, csv.Error) as error:
        raise DataError(
            "training_section needs a readable metrics.csv with the column `step`",
            f"reading {path} failed ({type(error).__name__}: {error})",
            "Pass the log that `leworld train` left beside the model",
        ) from error
    columns = {
        name: [_number(row[name]) for row in rows] for name in (rows[0] if rows else {}) if name != "step"
    }
    columns = {name: values for name, values in columns.items() if any(map(math.isfinite, values))}
    if not rows or not columns:
        raise DataError(
            "training_section needs rows with numbers beside the column `step`",
            f"{path} has {len(rows)} rows and numbers in {sorted(columns)}",
            "Pass the log that `leworld train` left beside the model",
        )
    return {"step": steps} | columns


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
