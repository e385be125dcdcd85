"""One CSV file for a whole run, resumed or not."""

import csv
from pathlib import Path
from typing import Any, final

from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.loggers.logger import Logger

COLUMNS = (
    "step",
    "loss",
    "prediction_error",
    "prediction_over_copy",
    "regularizer",
    "embedding_std",
    "effective_rank",
    "learning_rate",
    "collapsing",
)


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
        self._started = False

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
        """Append one row, with step counted from 1."""
        if "prediction_error" not in metrics:
            return
        if not self._started:
            self._start()
        row = {**metrics, "step": 0 if step is None else step + 1}
        with self.path.open("a", newline="") as file:
            csv.writer(file).writerow([_short(row.get(column)) for column in COLUMNS])

    def _start(self) -> None:
        kept: list[list[str]] = []
        if self._first_step and self.path.exists():
            with self.path.open(newline="") as file:
                rows = list(csv.reader(file))[1:]
            kept = [row for row in rows if len(row) == len(COLUMNS) and int(row[0]) <= self._first_step]
        with self.path.open("w", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *kept])
        self._started = True


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
