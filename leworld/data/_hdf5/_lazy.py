"""Pictures of an HDF5 file that stay there and are read on demand, in any process."""

import os
import weakref
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..._checks import require
from ..._files import Identity, identity
from ...errors import DataError
from .._hdf5_layout import guarded, rule
from .._lazy import LazyColumn
from ._file import DataFile
from ._stored import StoredColumn


class Hdf5Pictures(LazyColumn):
    """One camera of an HDF5 file. It holds no handle, so that it can be pickled and survives a fork.

    `column` must have passed its checks: what is looked up here is only that the file is still the same.
    """

    def __init__(self, path: Path, column: StoredColumn, *, channel_first: bool) -> None:
        self._path = path.absolute()
        self._name = column.name
        self._channel_first = channel_first
        self._identity = identity(self._path)
        _use(self, self._path)
        shape = column.shape
        self.shape = (shape[0], *shape[2:], shape[1]) if channel_first else shape
        self.dtype = np.dtype(column.dtype)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Read rows, each chunk of the file once."""
        self._check_same()
        column = _column(self._path, self._identity, self._name)
        found = column.empty(len(rows))
        for first, last in _groups(rows, column.chunk_rows):
            start, end = int(rows[first]), int(rows[last - 1]) + 1
            if end - start == last - first:
                column.copy(start, end, found[first:last])
            else:
                some = column.empty(end - start)
                column.copy(start, end, some)
                found[first:last] = some[rows[first:last] - start]
        return np.ascontiguousarray(found.transpose(0, 2, 3, 1)) if self._channel_first else found

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        _use(self, self._path)

    def _check_same(self) -> None:
        try:
            same = identity(self._path) == self._identity
        except OSError:
            same = False
        if not same:
            raise DataError(
                rule(self._path, "to stay as it is while it is in use"),
                "it was written to, moved or deleted since it was opened",
                "Open it again",
            )


def _groups(rows: np.ndarray, chunk_rows: int | None) -> list[tuple[int, int]]:
    """Split ascending rows into those that are read at once: of one chunk, or that follow one another."""
    if len(rows) == 0:
        return []
    apart = np.diff(rows) > 1
    if chunk_rows is not None:
        apart &= np.diff(rows // chunk_rows) > 0
    edges = [0, *(np.flatnonzero(apart) + 1).tolist(), len(rows)]
    return list(pairwise(edges))


@dataclass
class _Handle:
    """An open file of one process, and its columns by name."""

    process: int
    identity: Identity
    stream: BinaryIO
    raw: Any
    file: DataFile
    columns: dict[str, StoredColumn] = field(default_factory=dict)

    def close(self) -> None:
        self.columns.clear()
        self.raw.close()
        self.stream.close()


_MOST_OPEN = 64
_handles: dict[Path, _Handle] = {}  # the one that was opened last comes last
_users: Counter[Path] = Counter()


def _use(column: Hdf5Pictures, path: Path) -> None:
    """Keep the file's handle until nobody has a column of it any more."""
    _users[path] += 1
    weakref.finalize(column, _release, path)


def _release(path: Path) -> None:
    _users[path] -= 1
    if _users[path] <= 0:
        del _users[path]
        handle = _handles.pop(path, None)
        if handle is not None:
            handle.close()


def _column(path: Path, known: Identity, name: str) -> StoredColumn:
    """Return a column of a file by this process's own handle."""
    handle = _handles.get(path)
    if handle is None or handle.process != os.getpid() or handle.identity != known:
        handle = _opened(path, known)
    if name not in handle.columns:
        column = handle.file.column(name)
        with guarded(path, f"readable data in `{column.label}`"):
            column.check_filters()  # a new process has to load them
        handle.columns[name] = column
    return handle.columns[name]


def _opened(path: Path, known: Identity) -> _Handle:
    h5py = require("h5py", extra="train", purpose="open_hdf5")
    for old in [path, *list(_handles)[: max(0, len(_handles) - _MOST_OPEN + 1)]]:
        if old in _handles:
            _handles.pop(old).close()  # after a fork, this closes the child's copy only
    with guarded(path, "to be a complete HDF5 file"):
        # By a stream of its own, libhdf5 neither locks the file for others nor shares it with their handles.
        stream = path.open("rb")
        raw = h5py.File(stream, "r")
    _handles[path] = _Handle(os.getpid(), known, stream, raw, DataFile(h5py, path, raw, known.size))
    return _handles[path]
