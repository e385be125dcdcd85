"""The log of a run: rows of numbers, kept whole in the state and shown in files that follow from them."""

import csv
import io
import time
from pathlib import Path
from typing import Any, final

from .._checks import describe, require
from .._files import write_atomically
from ..errors import CheckpointError
from ._writes import written

METRICS_FILE = "metrics.csv"
TENSORBOARD_FOLDER = "tensorboard"
_EVENTS = "events.out.tfevents.leworld"

Row = dict[str, float]


@final
class RunLog:
    """Rows of a run, each with its `step` counted from 1, in `metrics.csv` and in TensorBoard's format.

    The rows travel in the state. `restore` makes the files anew from them, so that after a kill at any moment
    they hold what an uninterrupted run's hold. Each row is in the files before the state that has it.

    Args:
        folder: The run's folder.
        table: Whether there is a `metrics.csv`.
        events: Whether there are files for TensorBoard.
    """

    def __init__(self, folder: Path, *, table: bool = True, events: bool = True) -> None:
        self.rows: list[Row] = []
        self._table = folder / METRICS_FILE if table else None
        self._events = folder / TENSORBOARD_FOLDER / _EVENTS if events else None
        self._columns: list[str] = []
        if events:
            require("tensorboard", extra="train", purpose="TensorBoard logging")

    def restore(self, rows: list[Row]) -> None:
        """Make the files hold these rows and no others.

        Raises `CheckpointError` where a new run would replace a table that is not of a run.
        """
        if not rows:
            self._check_own_table()
        self.rows = [dict(row) for row in rows]
        self._columns = _columns(self.rows)
        self._write_table()
        if self._events is not None:
            with written(self._events):
                self._events.unlink(missing_ok=True)
                if self.rows:
                    content = b"".join(_event(row) for row in self.rows)
                    write_atomically(self._events, lambda place: place.write_bytes(content))

    def add(self, row: Row) -> None:
        """Append a row to all files, and hand it to the operating system."""
        self.rows.append(dict(row))
        columns = _columns([dict.fromkeys(self._columns, 0.0), row])
        if columns != self._columns:
            self._columns = columns
            self._write_table()
        elif self._table is not None:
            with written(self._table), self._table.open("a", newline="", encoding="utf-8") as file:
                file.write(self._lines([row]))
        if self._events is not None:
            with written(self._events):
                self._events.parent.mkdir(exist_ok=True)
                with self._events.open("ab") as file:
                    file.write(_event(row))

    def _check_own_table(self) -> None:
        if self._table is None or not self._table.exists():
            return
        with written(self._table), self._table.open("rb") as file:
            begun = file.read(5)
        if begun not in (b"", b"step,", b"step\n", b"step\r"):
            raise CheckpointError(
                f"Training writes its log to {self._table}, in place of that of an earlier run only",
                f"what is there begins with {describe(begun)} and not with the column `step`",
                "Move it elsewhere, or choose another folder",
            )

    def _write_table(self) -> None:
        if self._table is None:
            return
        with written(self._table):
            if self.rows:
                text = self._lines([dict(zip(self._columns, self._columns, strict=True)), *self.rows])
                write_atomically(self._table, lambda place: place.write_text(text, "utf-8", newline=""))
            else:
                self._table.unlink(missing_ok=True)

    def _lines(self, rows: list[Any]) -> str:
        text = io.StringIO()
        csv.writer(text).writerows([[_short(row.get(name)) for name in self._columns] for row in rows])
        return text.getvalue()


def _columns(rows: list[Row]) -> list[str]:
    """Return the names in the order in which they came up."""
    return list(dict.fromkeys(name for row in rows for name in row))


def _short(value: float | str | None) -> str:
    if isinstance(value, str):
        return value
    return "nan" if value is None else f"{value:.6g}"


def _event(row: Row) -> bytes:
    """Return a row as TensorBoard's files hold it."""
    from tensorboard.compat.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue] -- generated
    from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue] -- generated
    from tensorboard.summary.writer.record_writer import RecordWriter

    step = int(row["step"])
    values = [Summary.Value(tag=name, simple_value=value) for name, value in row.items() if name != "step"]
    event = Event(wall_time=time.time(), step=step - 1, summary=Summary(value=values))
    stream = io.BytesIO()
    RecordWriter(stream).write(event.SerializeToString())
    return stream.getvalue()
