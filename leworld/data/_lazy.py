"""Columns that stay where they lie, and are read a few rows at a time."""

from abc import ABC, abstractmethod
from typing import Any, TypeAlias, TypeGuard

import numpy as np
from jaxtyping import Int, Shaped

from .._checks import describe, plain_numbers
from .._lending import owned
from ..errors import DataError, LeWorldError
from ._arguments import UNFIT, is_array, whole_numbers


class LazyColumn(ABC):
    """One column of `Episodes` that is not in memory: rows are read when they are asked for.

    Everything that takes `Episodes` takes them with such columns too: windows, processors, training, probing,
    surprise. `open_hdf5` and `open_store` make them. To read a format of your own, say `shape` and `dtype`
    and how rows are read, and give an object to `Episodes` in place of an array.

    A column is indexed along its rows, as an array is: by a number, a slice, or an array of numbers of any
    shape, in any order; a tuple takes its further entries from the rows that were read. Nothing is
    remembered. For worker processes that are spawned it has to be possible to pickle the object.

    Shapes:
        shape: (row, ...); for pictures (row, height, width, 3) of uint8.

    Attributes:
        shape: Set by the subclass: the shape of the whole column.
        dtype: Set by the subclass: numpy's type of its values.

    Raises:
        DataError: `read` returned another shape or type than the column says it has.

    Example:
        ```python
        import numpy as np
        from leworld.data import Episodes, LazyColumn

        class Grey(LazyColumn):
            shape, dtype = (6, 8, 8, 3), np.dtype(np.uint8)

            def read(self, rows):
                return np.broadcast_to(rows[:, None, None, None], (len(rows), 8, 8, 3)).astype(np.uint8)

        episodes = Episodes(Grey(), np.zeros((6, 1), np.float32), lengths=np.array([3, 3]))
        assert episodes.select([1]).pixels[0].max() == 3
        ```
    """

    shape: tuple[int, ...]
    dtype: np.dtype

    @abstractmethod
    def read(self, rows: Int[np.ndarray, " row"]) -> Shaped[np.ndarray, " row ..."]:
        """Return the rows with these numbers, which ascend and come once each, as a new array."""

    @plain_numbers
    def digest(self, start: int, end: int) -> bytes | None:
        """Return the SHA-256 of the rows of one episode where it was recorded with them, else None.

        It is that of `episode_digests` for pictures: of the shape of one, then of all bytes. Where a source
        knows it, training need not read all of the data before its first step.

        Args:
            start: First row of the episode.
            end: The row after its last.
        """
        return None

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes that the whole column would take in memory."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(shape={self.shape}, dtype={self.dtype})"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        whole = self[:]
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def __getitem__(self, index: Any) -> Any:
        chosen, rest = (index[0], index[1:]) if isinstance(index, tuple) and index else (index, ())
        rows = _row_numbers(chosen, len(self))
        found = self._take(rows.reshape(-1)).reshape(*rows.shape, *self.shape[1:])
        return found[(*(slice(None),) * rows.ndim, *rest)] if rest else found

    def _take(self, rows: np.ndarray) -> np.ndarray:
        """Return rows in any order, some of them more than once."""
        if rows.size < 2 or bool((np.diff(rows) > 0).all()):
            return self._checked(rows)
        unique, place = np.unique(rows, return_inverse=True)
        return self._checked(unique)[place]

    def _checked(self, rows: np.ndarray) -> np.ndarray:
        found = self.read(rows)
        due = (len(rows), *self.shape[1:])
        if not isinstance(found, np.ndarray) or found.shape != due or found.dtype != self.dtype:
            raise DataError(
                f"{type(self).__name__}.read needs to return {self.dtype} of shape {due}",
                f"it returned {describe(found)}",
                "Return one entry for every row number, of the shape and type that the column says it has",
            )
        return found


Column: TypeAlias = np.ndarray | LazyColumn


def is_column(value: object) -> TypeGuard[Column]:
    """Whether `value` can be a column: an array that can be taken as it is, or one that is read by rows."""
    return isinstance(value, LazyColumn) or is_array(value)


def rows_of(column: Any, rows: slice | np.ndarray) -> Any:
    """Return some rows of a column: a view of an array or its own copy; of a lazy column a lazy one."""
    if isinstance(column, LazyColumn):
        return ChosenRows(column, np.arange(len(column))[rows] if isinstance(rows, slice) else rows)
    return column[rows] if isinstance(rows, slice) else owned(column[rows])


class ChosenRows(LazyColumn):
    """Some rows of another column, in any order; nothing is read before it is asked for."""

    def __init__(self, column: Column, rows: np.ndarray) -> None:
        if isinstance(column, ChosenRows):
            column, rows = column._column, column._rows[rows]
        self._column = column
        self._rows = rows.astype(np.int64, copy=False)
        self.shape = (len(rows), *column.shape[1:])
        self.dtype = column.dtype

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Return rows of the chosen ones."""
        return self._column[self._rows[rows]]

    def digest(self, start: int, end: int) -> bytes | None:
        """Return the digest of rows that follow one another in the column too."""
        first = int(self._rows[start])
        last = first + end - start
        if isinstance(self._column, LazyColumn) and np.array_equal(
            self._rows[start:end], np.arange(first, last)
        ):
            return self._column.digest(first, last)
        return None

    def _take(self, rows: np.ndarray) -> np.ndarray:
        return self._column[self._rows[rows]]


def _row_numbers(chosen: Any, count: int) -> np.ndarray:
    """Return what an index chooses among `count` rows, as numbers from 0 on."""
    shape: tuple[int, ...] = ()
    try:
        if isinstance(chosen, slice):
            return np.arange(*chosen.indices(count))
        array = np.asarray(chosen)
        if array.dtype == bool and array.shape == (count,):
            return np.flatnonzero(array)
        if array.size == 0 and array.dtype.kind == "f":  # an empty list
            array = array.astype(np.int64)
        numbers, shape = whole_numbers(array.reshape(-1)), array.shape
    except UNFIT:
        numbers = None
    if numbers is None or (numbers.size and (numbers.min() < -count or numbers.max() >= count)):
        raise _RowError(
            f"A column needs row numbers between {-count} and {count - 1}, or a slice",
            f"the index is {describe(chosen)}",
            f"Choose among the {count} rows",
        )
    return np.where(numbers < 0, numbers + count, numbers).reshape(shape)


class _RowError(LeWorldError, IndexError):
    """An index past the end, which must be an IndexError for Python's iteration to stop at it."""
