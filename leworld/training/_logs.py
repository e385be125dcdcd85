"""One CSV file for a whole run, resumed or not."""

import csv
from pathlib import Path
from typing import Any, final

from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.loggers.logger import Logger

_COMPLETE = "learning_rate"  # in every row that a module logs as a whole
_FIRST = ("loss",)
_OWN = ("step", "epoch", *_FIRST)


@final
class MetricsFile(Logger):
    """Appends a row to `metrics.csv` at every log, and flushes it.

    Lightning's own CSVLogger deletes the file of a run that is resumed. This one keeps the rows up to the
    step resumed from and drops later ones, which the killed run had written after its last checkpoint.
    """

    def __init__(self, folder: Path, *, first_step: int) -> None:
        super().__init__()
        self.path = folder / "metrics.csv"
        self._first_step = first_step
        self._columns: list[str] = []

    @property
    def name(self) -> str:
        """The file's stem."""
        return "metrics"

    @property
    def version(self) -> str:
        """There is one."""
        return ""

    @rank_zero_only
    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Ignore; the settings lie in the checkpoint."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Append one row, with step counted from 1; the first row's names are the file's columns."""
        if _COMPLETE not in metrics:
            return
        if not self._columns:
            first = [name for name in _FIRST if name in metrics]
            self._columns = self._start(["step", *first, *(name for name in metrics if name not in _OWN)])
        row = {**metrics, "step": 0 if step is None else step + 1}
        with self.path.open("a", newline="") as file:
            csv.writer(file).writerow([_short(row.get(column)) for column in self._columns])

    def _start(self, columns: list[str]) -> list[str]:
        """Write the header and the rows that a resumed run keeps, and return the columns of the file."""
        kept: list[list[str]] = []
        if self._first_step and self.path.exists():
            with self.path.open(newline="") as file:
                header, *rows = list(csv.reader(file)) or [columns]
            if set(header) == set(columns):
                columns = header
                kept = [row for row in rows if len(row) == len(columns) and int(row[0]) <= self._first_step]
        with self.path.open("w", newline="") as file:
            csv.writer(file).writerows([columns, *kept])
        return columns


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
