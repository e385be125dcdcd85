"""Pictures of a packed store: mapped into memory, and read by the operating system where they are touched."""

import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from .._lazy import LazyColumn
from ._layout import REPAIR, array_bytes, npy_header, regular_size, rule


class StoredPictures(LazyColumn):
    """One camera of a store. It can be pickled and survives a fork; each process maps the files by itself."""

    def __init__(
        self, folder: Path, name: str, tail: tuple[int, ...], *, shards: Sequence[tuple[str, int]]
    ) -> None:
        self._folder, self._name = folder, name
        self._files = [f"{shard}/{name}.npy" for shard, _ in shards]
        self._ends = np.cumsum([rows for _, rows in shards])
        self._headers = [npy_header(np.dtype(np.uint8), (rows, *tail)) for _, rows in shards]
        self.shape = (int(self._ends[-1]), *tail)
        self.dtype = np.dtype(np.uint8)
        self._row_bytes = array_bytes(self.dtype, tail)
        self._maps: list[memoryview | None] = [None] * len(shards)
        # Of episodes, in order: first row, end row and digest.
        self._spans: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def know(self, lengths: np.ndarray, digests: np.ndarray) -> None:
        """Take the digests (episode, 32) of the episodes that follow one another in the rows."""
        ends = np.cumsum(lengths)
        self._spans = (ends - lengths, ends, digests)

    def check(self) -> None:
        """Raise `DataError` unless every file is a plain one, begins as it must and has the right size."""
        for shard in range(len(self._files)):
            os.close(self._opened(shard))

    def digest(self, start: int, end: int) -> bytes | None:
        """Return the digest that was written with the episode."""
        if self._spans is None:
            return None
        firsts, ends, digests = self._spans
        episode = int(np.searchsorted(firsts, start))
        if episode == len(firsts) or firsts[episode] != start or ends[episode] != end:
            return None
        return digests[episode].tobytes()

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Copy rows out of the maps."""
        return self._take(rows)

    def _take(self, rows: np.ndarray) -> np.ndarray:
        size = self._row_bytes
        found = np.empty((len(rows), *self.shape[1:]), np.uint8)
        if not found.size:
            return found
        shards = np.searchsorted(self._ends, rows, side="right")
        places = (rows - (self._ends[shards] - self._rows_of(shards))) * size
        target = found.reshape(-1).data
        consecutive = (
            len(rows) > 1 and rows[-1] - rows[0] == len(rows) - 1 and bool((np.diff(rows) == 1).all())
        )
        if consecutive and shards[0] == shards[-1]:
            target[:] = self._map(int(shards[0]))[int(places[0]) : int(places[0]) + len(target)]
            return found
        at = 0
        for shard, place in zip(shards.tolist(), places.tolist(), strict=True):
            target[at : at + size] = (self._maps[shard] or self._map(shard))[place : place + size]
            at += size
        return found

    def _rows_of(self, shards: np.ndarray) -> np.ndarray:
        return np.diff(self._ends, prepend=0)[shards]

    def _map(self, shard: int) -> memoryview:
        """Return the bytes of a shard's pictures, after checking once more that the file is what it was."""
        known = self._maps[shard]
        if known is None:
            handle = self._opened(shard)
            try:
                mapped = mmap.mmap(handle, 0, access=mmap.ACCESS_READ)
            except (OSError, ValueError) as error:
                need = f"its file {self._files[shard]} to be mapped into memory"
                raise DataError(rule(self._folder, need), f"that failed ({error})", REPAIR) from error
            finally:
                os.close(handle)
            known = self._maps[shard] = memoryview(mapped)[len(self._headers[shard]) :]
        return known

    def _opened(self, shard: int) -> int:
        """Open a file and return its handle."""
        name, header = self._files[shard], self._headers[shard]
        rows = int(self._rows_of(np.array(shard)))
        due = len(header) + rows * self._row_bytes
        size = regular_size(self._folder, name)
        if size != due:
            need = f"{due} bytes in its file {name}"
            raise DataError(rule(self._folder, need), f"it has {size}", f"It may be truncated. {REPAIR}")
        flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
        try:
            handle = os.open(self._folder / name, flags | getattr(os, "O_NONBLOCK", 0))
        except OSError as error:
            told = error.strerror or error
            raise DataError(
                rule(self._folder, f"its file {name}"), f"opening it failed ({told})", REPAIR
            ) from error
        try:
            same = os.read(handle, len(header)) == header
        except OSError:
            same = False
        if not same:
            os.close(handle)
            need = f"uint8 pictures of shape {(rows, *self.shape[1:])} in its file {name}"
            raise DataError(rule(self._folder, need), "its header says something else", REPAIR)
        return handle

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_maps": [None] * len(self._maps)}
