"""Read a safetensors file by plain reads: a file that is cut short meanwhile is an error, not a crash."""

import io
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from ._checks import describe, described_name
from ._files import identity, regular_file
from ._json import parse_json
from ._tensors import STORED_DTYPES
from .errors import CheckpointError

DTYPES = {name: dtype for dtype, name in STORED_DTYPES.items()}

_MAX_HEADER = 16 * 2**20  # bytes: 100,000 tensors
_MAX_DIMS = 64
_METADATA = "__metadata__"
_FIX = "Restore the file, or save or download the checkpoint again"


@final
@dataclass(frozen=True)
class Entry:
    """What the header says of one tensor: its type as safetensors calls it, its shape, its bytes' place."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    nbytes: int


@final
class TensorFile:
    """An open safetensors file.

    Attributes:
        path: Where it lies.
        entries: What the header says of each tensor, by name.
        metadata: The texts in the header.
    """

    def __init__(self, path: Path, stream: io.FileIO) -> None:
        self.path = path
        self.stream = stream
        self._before = identity(stream.fileno())
        self.entries, self.metadata = self._header()

    def read(self, name: str) -> Tensor:
        """Return a tensor."""
        entry = self.entries[name]
        if entry.dtype not in DTYPES:
            raise CheckpointError(
                f"{self.path} needs tensors of type {', '.join(DTYPES)}",
                f"{described_name(name)} is {described_name(entry.dtype)}",
                "Convert it, then save the module again",
            )
        value = torch.empty(entry.shape, dtype=DTYPES[entry.dtype], device="cpu")
        self.read_into(name, value)
        return value

    def read_into(self, name: str, target: Tensor) -> None:
        """Fill a dense CPU tensor of the same type and shape with the stored values."""
        entry = self.entries[name]
        if not entry.nbytes:
            return
        view = target.reshape(-1).view(torch.uint8).numpy().data
        self.stream.seek(entry.start)
        done = 0
        while done < entry.nbytes:
            count = self.stream.readinto(view[done:])
            if not count:
                raise CheckpointError(self._rule(), "it was cut short while it was read", _FIX)
            done += count
        if entry.dtype == "BOOL" and target.view(torch.uint8).max() > 1:
            raise self._damaged(f"`{name}` holds bytes that are neither true nor false")

    def check_unchanged(self) -> None:
        """Raise `CheckpointError` if the file, or what lies at its path, is another one than at opening."""
        try:
            same = identity(self.stream.fileno()) == self._before == identity(self.path)
        except OSError:
            same = False
        if not same:
            raise CheckpointError(
                f"{self.path} needs to stay as it is while it is read",
                "it was replaced meanwhile",
                "Load it again",
            )

    def _header(self) -> tuple[dict[str, Entry], dict[str, str]]:
        size = self._before.size
        length = int.from_bytes(self._take(8), "little")
        if not 2 <= length <= min(size - 8, _MAX_HEADER):
            raise self._damaged(f"its header claims {length} of {size} bytes")
        raw = self._take(length)
        if raw[:1] != b"{":
            raise self._damaged("its header is no object")
        try:
            content = parse_json(raw, where=str(self.path), max_bytes=_MAX_HEADER)
        except CheckpointError as error:
            raise self._damaged(f"header: {error.got}") from error
        metadata = content.pop(_METADATA, {})
        if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
            raise self._damaged("its metadata are no texts by name")
        entries = {name: self._entry(name, value, 8 + length) for name, value in content.items()}
        end = 8 + length
        for name, entry in sorted(entries.items(), key=lambda item: (item[1].start, item[1].nbytes)):
            if entry.start != end:
                raise self._damaged(f"{describe(name)} begins at byte {entry.start} where {end} is due")
            end += entry.nbytes
        if end != size:
            raise self._damaged(f"its header tells of {end} bytes, and it has {size}")
        return entries, metadata

    def _entry(self, name: str, data: Any, offset: int) -> Entry:
        if not isinstance(data, Mapping) or data.keys() != {"dtype", "shape", "data_offsets"}:
            raise self._crooked(name, data)
        dtype, shape, place = data["dtype"], data["shape"], data["data_offsets"]
        sized = _are_sizes(shape) and _are_sizes(place) and len(place) == 2 and len(shape) <= _MAX_DIMS
        if not isinstance(dtype, str) or not sized or place[0] > place[1]:
            raise self._crooked(name, data)
        nbytes = place[1] - place[0]
        known = DTYPES.get(dtype)
        if known is not None and math.prod(shape) * known.itemsize != nbytes:
            raise self._crooked(name, data)
        return Entry(dtype, tuple(shape), offset + place[0], nbytes)

    def _crooked(self, name: str, data: object) -> CheckpointError:
        return self._damaged(f"the header's entry of {describe(name)} is {describe(data)}")

    def _take(self, count: int) -> bytes:
        pieces = []
        while count and (piece := self.stream.read(count)):
            pieces.append(piece)
            count -= len(piece)
        if count:
            raise self._damaged("it ends within its header")
        return b"".join(pieces)

    def _rule(self) -> str:
        return f"{self.path} needs to be a whole safetensors file"

    def _damaged(self, why: str) -> CheckpointError:
        return CheckpointError(self._rule(), f"it is damaged ({why})", _FIX)


@contextmanager
def open_tensors(path: Path) -> Iterator[TensorFile]:
    """Open a safetensors file and check its header: every byte belongs to one tensor, and to one only.

    Raises:
        CheckpointError: if it is missing, no regular file, or damaged.
    """
    with regular_file(path) as stream:
        yield TensorFile(path, stream)


def _are_sizes(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 2**63 for value in values)


def tensor_names(path: Path) -> list[str]:
    """Return the names in the header of a safetensors file, none where there is no whole one."""
    try:
        with open_tensors(path) as file:
            return list(file.entries)
    except CheckpointError:
        return []
