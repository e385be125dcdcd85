"""One CSV file for a whole run, resumed or not."""

import csv
from pathlib import Path
from typing import Any, final

from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.loggers.logger import Logger

from .._files import write_atomically

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
        """Append one row, with step counted from 1; a name that is new becomes a further column."""
        if _COMPLETE not in metrics:
            return
        first = [name for name in _FIRST if name in metrics]
        due = ["step", *first, *(name for name in metrics if name not in _OWN)]
        if not self._columns or not set(due) <= set(self._columns):
            self._columns = self._widened(due)
        row = {**metrics, "step": 0 if step is None else step + 1}
        with self.path.open("a", newline="") as file:
            csv.writer(file).writerow([_short(row.get(column)) for column in self._columns])

    def _widened(self, due: list[str]) -> list[str]:
        """Write the file anew with what is kept of it, the new ones of some columns behind the old."""
        header: list[str] = []
        rows: list[list[str]] = []
        if (self._columns or self._first_step) and self.path.exists():
            with self.path.open(newline="") as file:
                header, *rows = list(csv.reader(file)) or [[]]
            if header[:1] != ["step"]:
                header, rows = [], []
        if not self._columns:
            rows = [row for row in rows if len(row) == len(header) and int(row[0]) <= self._first_step]
        columns = [*header, *(name for name in due if name not in header)]
        blank = [_short(None)] * (len(columns) - len(header))

        def write(place: Path) -> None:
            with place.open("w", newline="") as file:
                csv.writer(file).writerows([columns, *([*row, *blank] for row in rows)])

        write_atomically(self.path, write)
        return columns


def _short(value: float | None) -> str:
    return "nan" if value is None else f"{value:.6g}"
