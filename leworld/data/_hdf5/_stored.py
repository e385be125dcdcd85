"""One dataset of an HDF5 file: what it holds, whether all of it is there, and its rows."""

import importlib
import math
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ...errors import DataError, MissingExtraError
from .._hdf5_layout import REPAIR, guarded, rule, shown

Runs: TypeAlias = Sequence[tuple[int, int]]  # (first row, end row)

# As hdf5plugin provides them; the name is stored in the file as well.
_FILTERS = {32001: "Blosc", 32004: "LZ4", 32008: "Bitshuffle", 32015: "Zstandard", 32026: "Blosc2"}
_CLASSES = {
    2: "times",
    3: "texts",
    4: "bit fields",
    5: "opaque bytes",
    6: "compound records",
    7: "references",
    8: "an enumeration",
    9: "lists of variable length",
    10: "arrays in one value",
    11: "complex numbers",
}
_TEXTS, _ENUMERATION = 3, 8
_COMPACT, _CONTIGUOUS, _VIRTUAL = 0, 1, 3  # HDF5's numbers of layouts
# A filter of HDF5 or h5py itself makes its input at most 1032 times smaller (deflate), any other is given
# more room. What is below the floor needs no proof.
_RATIOS: dict[int, int] = dict.fromkeys((1, 2, 3, 4, 32000), 1100)
_OTHER_RATIO = 100_000
_FEW_BYTES = 2**22
_FLOOR = 2**26


class StoredColumn:
    """A dataset that lies in its file, wholly and nowhere else.

    Attributes:
        name: Its name in the file.
        shape: Its shape, () if it has no rows.
        dtype: Of what it holds, or None where numpy has no such type.
        is_numbers: Whether it holds integers, floats or booleans, and none that stand for something else.
        is_texts: Whether it holds texts.
    """

    def __init__(self, h5py: Any, path: Path, name: str, dataset: Any, file_size: int) -> None:
        self.name, self.label = name, shown(name)
        self._h5py, self._path, self._file_size = h5py, path, file_size
        with guarded(path, f"a readable dataset `{self.label}`"):
            self._settings = dataset.get_create_plist()
            # Asking a virtual dataset for its shape would already open its sources.
            self._check_inside()
            space, kind = dataset.get_space(), dataset.get_type()
            simple = space.get_simple_extent_type() == h5py.h5s.SIMPLE
            self.shape: tuple[int, ...] = tuple(dataset.shape) if simple else ()
            self._class, self._item = kind.get_class(), kind.get_size()
            self.dtype: np.dtype | None = None
            with suppress(Exception):  # numpy has no such type
                self.dtype = np.dtype(dataset.dtype)
            self._dataset = h5py.Dataset(dataset)
        plain = self._class in (0, 1) or (self._class == _ENUMERATION and self.dtype == bool)
        self.is_numbers = plain and self.dtype is not None and self.dtype.kind in "biuf"
        self.is_texts = self._class == _TEXTS

    @property
    def told(self) -> str:
        """What it holds, for messages."""
        is_complex = self.dtype is not None and self.dtype.kind == "c"  # h5py's, which are records to HDF5
        kind = _CLASSES.get(11 if is_complex else self._class, "of an unknown type")
        kind = str(self.dtype) if self.is_numbers else kind
        return f"{kind} of shape {self.shape}"

    def _check_inside(self) -> None:
        if self._settings.get_layout() == _VIRTUAL:
            got = "is a virtual dataset, which shows data of other files"
        elif self._settings.get_external_count() > 0:
            place = os.path.basename(self._settings.get_external(0)[0])
            got = f"is stored in another file, `{shown(place)}`"
        else:
            return
        raise DataError(
            rule(self._path, f"the values of `{self.label}` in itself"),
            f"`{self.label}` {got}",
            "Copy the values into this file: read them with h5py and write them under this name",
        )

    def read(self, runs: Runs, dtype: np.dtype | None = None) -> np.ndarray:
        """Read the rows of some runs into memory, after `check`."""
        self.check(runs)
        rows = self.empty(sum(end - start for start, end in runs), dtype)
        filled = 0
        for start, end in runs:
            self.copy(start, end, rows[filled : filled + end - start])
            filled += end - start
        return rows

    def empty(self, rows: int, dtype: np.dtype | None = None) -> np.ndarray:
        """Return memory for so many rows."""
        if dtype is None:
            dtype = np.dtype(self.dtype).newbyteorder("=")
        try:
            return np.empty((rows, *self.shape[1:]), dtype)
        except (MemoryError, ValueError) as error:
            raise DataError(
                f"Reading `{self.label}` of {self._path} needs memory for {rows} rows of {self.shape[1:]}",
                f"that failed ({error})",
                "Read fewer `episodes` at a time",
            ) from error

    def copy(self, start: int, end: int, out: np.ndarray) -> None:
        """Read rows that `check` has seen into an array."""
        if out.size:
            with guarded(self._path, f"readable data in `{self.label}`"):
                if (
                    out.nbytes <= _FEW_BYTES and out.dtype == self.dtype
                ):  # the quick way, by an array of its own
                    out[...] = self._dataset[start:end]
                else:
                    self._dataset.read_direct(out, np.s_[start:end], np.s_[0 : end - start])

    def check(self, runs: Runs) -> None:
        """Raise `DataError` unless every value of these rows lies in the file, at no absurd size.

        HDF5 reads rows that nobody ever wrote as the fill value, which is a black frame.
        """
        per_row = math.prod(self.shape[1:]) * self._item
        if per_row == 0 or not any(end > start for start, end in runs):
            return
        with guarded(self._path, f"readable data in `{self.label}`"):
            self.check_filters()
            if self._settings.get_layout() in (_COMPACT, _CONTIGUOUS):
                self._check_block(self.shape[0] * per_row)
            else:
                self._check_chunks(_merged(runs))

    def _check_block(self, due: int) -> None:
        dataset = self._dataset.id
        compact = self._settings.get_layout() == _COMPACT
        start = 0 if compact else dataset.get_offset()
        if start is None:
            raise self._unwritten(self.shape[0])
        if dataset.get_storage_size() < due or start + due > self._file_size:
            raise self._too_large(due, min(dataset.get_storage_size(), max(self._file_size - start, 0)))

    def _check_chunks(self, runs: Runs) -> None:
        if not self._has_any_chunk():
            raise self._unwritten(sum(end - start for start, end in runs))
        chunk = self._settings.get_chunk()
        size = math.prod(chunk) * self._item
        across = [-(-length // step) for length, step in zip(self.shape[1:], chunk[1:], strict=True)]
        # So many the file has room for, which ends the search where an index pretends to have any.
        most = self._file_size // (1 if self._settings.get_nfilters() else size)
        count, looked_up = 0, 0
        for start, end in runs:
            for first in range(max(start - start % chunk[0], looked_up), end, chunk[0]):
                looked_up = first + chunk[0]  # two runs may share a chunk
                for number in range(math.prod(across)):
                    if not self._has_chunk((first, *_offset(number, across, chunk[1:]))):
                        raise self._unwritten(self._missing_rows(runs, chunk[0], math.prod(across)))
                    count += 1
                    if count > most:
                        raise self._too_large(count * size, self._file_size)
        self._check_ratio(count * size)

    def _has_any_chunk(self) -> bool:
        """Say whether there is a first one; where there is none, looking one up returns a random size."""
        found: list[Any] = []
        self._dataset.id.chunk_iter(lambda chunk: found.append(chunk) or True)
        return bool(found)

    def _has_chunk(self, offset: tuple[int, ...]) -> bool:
        """Look one chunk up, without reading it: a buffer that is too small tells that it is there."""
        try:
            return len(self._dataset.id.read_direct_chunk(offset, out=bytearray(1))[1]) > 0
        except ValueError:
            return True
        except Exception:
            return False

    def _missing_rows(self, runs: Runs, step: int, due: int) -> int:
        """Count the rows that not all of their `due` chunks, of `step` rows each, are there for."""
        found: Counter[int] = Counter()

        def note(chunk: Any) -> bool | None:
            found[chunk.chunk_offset[0]] += 1
            return True if found.total() > self._file_size else None

        self._dataset.id.chunk_iter(note)
        whole = np.array([first for first, count in found.items() if count == due and first < self.shape[0]])
        there = _rows_below(runs, whole + step) - _rows_below(runs, whole)
        return max(1, sum(end - start for start, end in runs) - int(there.sum()))

    def _check_ratio(self, due: int) -> None:
        if due <= max(_FLOOR, self._file_size):
            return
        ratio = 1
        for code, _ in self._filters():
            ratio = max(ratio, _RATIOS.get(code, _OTHER_RATIO))
        stored = min(self._dataset.id.get_storage_size(), self._file_size)
        if due > max(_FLOOR, ratio * stored):
            raise self._too_large(due, stored)

    def _filters(self) -> list[tuple[int, str]]:
        found = (self._settings.get_filter(index) for index in range(self._settings.get_nfilters()))
        return [(code, name.decode("utf-8", "replace")) for code, _, _, name in found]

    @property
    def chunk_rows(self) -> int | None:
        """Rows of a chunk, or None where the values lie in one block."""
        with guarded(self._path, f"a readable dataset `{self.label}`"):
            chunked = self._settings.get_layout() not in (_COMPACT, _CONTIGUOUS)
            return int(self._settings.get_chunk()[0]) if chunked else None

    def check_filters(self) -> None:
        """Raise unless every filter of the column is there, after loading those of hdf5plugin."""
        h5z = self._h5py.h5z
        for code, name in self._filters():
            if h5z.filter_avail(code):
                continue
            known = _FILTERS.get(code, "")
            if not known or known.lower() not in (name or known).lower():
                raise DataError(
                    rule(self._path, f"compression of a known kind for `{self.label}`"),
                    f"it names filter {code} ({shown(name) or 'without a name'})",
                    "The file is damaged, or made with a filter of its own: write it again with gzip",
                )
            with suppress(ImportError):
                importlib.import_module("hdf5plugin")  # registers its filters
            if not h5z.filter_avail(code):
                raise MissingExtraError(
                    rule(self._path, f"the compression filter {known} ({code}) for `{self.label}`"),
                    "that filter is not installed",
                    "Install it with `pip install hdf5plugin`",
                )

    def _unwritten(self, rows: int) -> DataError:
        return DataError(
            rule(self._path, f"every value of `{self.label}`"),
            f"{rows} of its {self.shape[0]} rows were never written",
            "The recording may have been interrupted: write it again, or choose other `episodes`",
        )

    def _too_large(self, due: int, stored: int) -> DataError:
        return DataError(
            rule(self._path, f"the data that `{self.label}` declares"),
            f"that is {due} bytes, and it stores {stored}",
            f"The file is damaged or truncated. {REPAIR}",
        )


def _merged(runs: Runs) -> Runs:
    """Return the same rows as runs that do not overlap, in order."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(runs):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _rows_below(runs: Runs, rows: np.ndarray) -> np.ndarray:
    """Count the rows of merged runs that come before each of the given rows."""
    starts, lengths = np.array([(start, end - start) for start, end in runs], np.int64).T
    run = np.searchsorted(starts, rows, side="right") - 1
    inside = np.minimum(rows - starts[run], lengths[run])
    return np.where(run < 0, 0, (np.cumsum(lengths) - lengths)[run] + inside)


def _offset(number: int, across: Sequence[int], chunk: Sequence[int]) -> tuple[int, ...]:
    """Return where the chunk with this number begins, counted along all axes but that of rows."""
    offset = []
    for count, step in zip(reversed(across), reversed(chunk), strict=True):
        number, place = divmod(number, count)
        offset.append(place * step)
    return tuple(reversed(offset))
