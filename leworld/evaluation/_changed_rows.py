"""Columns of episodes with other rows in place of some; what was on disk is not brought into memory."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .._lending import owned
from ..data import LazyColumn

_ROWS_AT_ONCE = 256

Change = Callable[
    [np.ndarray, np.ndarray], np.ndarray
]  # row numbers, what is shown in them -> what is put there


class ChangedRows(LazyColumn):
    """A column that shows rows of another one in each of its own, and something else in some of these."""

    def __init__(self, column: Any, shown: np.ndarray, late: np.ndarray, change: Change | None) -> None:
        self._column, self._shown, self._late, self._change = column, shown, late, change
        self.shape = (len(shown), *column.shape[1:])
        self.dtype = column.dtype

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Read the rows that are shown, and change those that are to be."""
        found = np.array(self._column[self._shown[rows]])
        late = self._late[rows]
        if self._change is not None and late.any():
            found[late] = self._change(rows[late], found[late])
        return found


def changed_rows(
    column: Any, shown: np.ndarray, *, late: np.ndarray | None = None, change: Change | None = None
) -> Any:
    """Return a column whose row i is row `shown[i]` of `column`, in late rows what `change` makes of it."""
    late = np.zeros(len(shown), bool) if late is None else late
    made = ChangedRows(column, shown, late, change)
    return made if isinstance(column, LazyColumn) else owned(made.read(np.arange(len(shown))))


def everywhere(row: np.ndarray) -> Change:
    """Return the change that puts one and the same row everywhere."""
    return lambda rows, _: np.broadcast_to(row, (len(rows), *row.shape))


def by_rows(column: Any, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the given rows of a column, some at a time."""
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        yield np.asarray(column[rows[first : first + _ROWS_AT_ONCE]])


def differ(one: Any, other: Any, rows: np.ndarray) -> bool:
    """Whether two columns differ in one of the given rows."""
    both = zip(by_rows(one, rows), by_rows(other, rows), strict=True)
    return any(not np.array_equal(a, b) for a, b in both)
