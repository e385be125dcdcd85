"""Replay buffers of diffusion policy: zarr version 2, read chunk by chunk without more than it needs."""

import importlib
import itertools
import math
import os
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..._checks import describe, nearest, plain_numbers
from ..._files import identity
from ...errors import ConfigError, DataError
from .._arguments import chosen_episodes, path_of
from .._episodes import Episodes
from .._hdf5_layout import shown
from .._lazy import LazyColumn
from ._columns import action_rows, assembled, chosen_cameras, short_name, spans_of
from ._folder import DataFolder, json_object, optional, reading, rule

_OWNER = "open_zarr"
_ENDS = "meta/episode_ends"
_MOST_CHUNK = 2**29
_MOST_CHUNKS = 10**7
_MOST_VALUES = 4096  # of a row of a column beside the pictures
_DTYPE = re.compile(r"[<>|=]?[biuf][1248]")
_REPAIR = "Fetch it again, or write it again with zarr and `write_empty_chunks=True`"


@plain_numbers
def open_zarr(
    path: str | os.PathLike[str],
    *,
    cameras: str | Sequence[str] | Mapping[str, str] | None = None,
    action: str = "action",
    episodes: slice | Sequence[int] | None = None,
    fps: float | None = None,
    environment_id: str | None = None,
) -> Episodes:
    """Open a replay buffer in zarr, as diffusion policy and UMI write it, with its pictures left on disk.

    `data` holds arrays with time first, `meta/episode_ends` the row after the last of each episode. Pictures
    may be uint8, or floats from 0 to 255, which are rounded; channel last or first. Numbers are read at once.
    One array of pictures becomes `pixels`. Needs numcodecs (extra `robots`).

    Row t holds frame t and the action taken there. In diffusion policy's Push-T the action is the absolute
    place in the picture that the agent is to go to, not the relative one of stable-worldmodel's Push-T.

    Args:
        path: The folder, or the `.zarr.zip` file.
        cameras: One array of pictures, which becomes `pixels`; several; or a mapping to other names. All
            unless given.
        action: Name of the array of actions.
        episodes: Which episodes, as a slice or a list of numbers.
        fps: Frames a second; the format does not say. Diffusion policy's Push-T has 10.
        environment_id: Where the data comes from.

    Raises:
        DataError: It is no such buffer or of zarr version 3, an array is missing, damaged or of another
            length, a chunk was never written, or its compression is of an unknown kind.
        ConfigError: A camera or an episode does not exist, or an argument is of another kind.
        MissingExtraError: numcodecs is not installed.

    Source:
        real-stanford/diffusion_policy, common/replay_buffer.py; the zarr storage specification, version 2.

    Example:
        ```python
        from leworld.data import open_zarr
        from leworld.errors import DataError

        try:
            open_zarr("no/such/buffer.zarr", fps=10)
        except DataError as error:
            assert "buffer.zarr" in str(error)
        ```
    """
    if not isinstance(action, str):
        raise ConfigError(f"{_OWNER} needs `action` to be a name", f"it is {describe(action)}", "Pass a text")
    source = _Source(path_of(_OWNER, path))
    ends = _ends(source)
    chosen = chosen_episodes(_OWNER, source.path, len(ends), episodes)
    starts = np.concatenate([[0], ends[:-1]])
    lengths = (ends - starts)[chosen]
    rows = spans_of(starts[chosen], ends[chosen])
    arrays = {name: _Array(source, f"data/{name}") for name in source.arrays("data")}
    for name, array in arrays.items():
        if array.shape[:1] != (int(ends[-1]),):
            raise DataError(
                rule(source.path, f"{ends[-1]} rows in `data/{shown(name)}`, where its episodes end"),
                f"it has shape {array.shape}",
                "The recording may have been interrupted: write it again",
            )
    if action not in arrays:
        raise DataError(
            rule(source.path, f"an array `data/{shown(action)}`"),
            "there is none",
            f"Name the actions with `action=`. {nearest(action, arrays)}",
        )
    films = [name for name, array in arrays.items() if array.is_film]
    columns: dict[str, Any] = {
        new: ZarrPictures(arrays[name], rows)
        for name, new in chosen_cameras(_OWNER, source.path, films, cameras).items()
    }
    for name, array in arrays.items():
        if name not in films and name != action and math.prod(array.shape[1:]) <= _MOST_VALUES:
            new = short_name(name)
            columns[new if new not in columns else f"{new}_"] = array.read(rows)
    actions = action_rows(arrays[action].read(rows))
    return assembled(source.path, columns, actions, lengths=lengths, fps=fps, environment_id=environment_id)


def is_zarr(path: Path) -> bool:
    """Whether a path is a zarr buffer with episodes, or claims to be one of another version."""
    return (path / ".zgroup").exists() or (path / _ENDS / ".zarray").exists() or (path / "zarr.json").exists()


def _ends(source: "_Source") -> np.ndarray:
    if source.has("zarr.json"):
        raise DataError(
            rule(source.path, "zarr's version 2"), "it is of version 3", "Copy it with zarr_format=2"
        )
    array = _Array(source, _ENDS)
    if array.dtype.kind not in "iu" or len(array.shape) != 1 or not 0 < array.shape[0] < 10**7:
        raise DataError(
            rule(source.path, f"one whole number an episode in `{_ENDS}`"),
            f"it is {array.dtype} of shape {array.shape}",
            _REPAIR,
        )
    ends = array.read(np.arange(array.shape[0])).astype(np.int64)
    if ends[0] < 1 or (np.diff(ends) < 1).any() or ends[-1] > 2**40:
        raise DataError(
            rule(source.path, f"rows after which episodes end, ascending, in `{_ENDS}`"),
            f"it begins {ends[:5].tolist()}",
            "The recording may have been interrupted: write it again",
        )
    return ends


class _Source:
    """The files of a buffer: of a folder, or inside of one zip file."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        with reading(self.path, "to be there", fix="Check the path"):
            is_file = self.path.is_file()
        self._folder = None if is_file else DataFolder(self.path)
        self._identity = identity(self.path) if is_file else None
        self._zip: tuple[int, zipfile.ZipFile] | None = None
        if is_file:
            self._opened()

    def _opened(self) -> zipfile.ZipFile:
        with reading(self.path, "to be a folder, or a zip file"):
            if self._zip is None or self._zip[0] != os.getpid():
                if identity(self.path) != self._identity:
                    raise DataError(
                        rule(self.path, "to stay as it is while it is in use"), "it changed", "Open it again"
                    )
                self._zip = os.getpid(), zipfile.ZipFile(self.path)
            return self._zip[1]

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_zip": None}

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        if self._folder is not None:
            return name in self._folder
        return name in self._opened().NameToInfo

    def read(self, name: str, limit: int) -> bytes:
        """Return the content of a file."""
        if self._folder is not None:
            return self._folder.text(name, limit=limit)
        with reading(self.path, f"a readable {shown(name)}", fix=_REPAIR):
            info = self._opened().NameToInfo.get(name)
            if info is None or info.file_size > limit:
                got = "there is none" if info is None else f"it declares {info.file_size} bytes"
                raise DataError(
                    rule(self.path, f"its file {shown(name)}, of at most {limit} bytes"), got, _REPAIR
                )
            with self._opened().open(info) as stream:
                return stream.read(limit)

    def arrays(self, group: str) -> list[str]:
        """Return the names of the arrays of a group."""
        if self._folder is not None:
            names = self._folder.folder(group).names(folders=True)
        else:
            parts = [name.split("/") for name in self._opened().NameToInfo if name.startswith(f"{group}/")]
            names = sorted({part[1] for part in parts if len(part) > 2})
        return [name for name in names if self.has(f"{group}/{name}/.zarray")]


class _Array:
    """One array: its shape and type, and its rows."""

    def __init__(self, source: _Source, name: str) -> None:
        self._source, self._name = source, name
        path = source.path
        content = json_object(path, f"{name}/.zarray", source.read(f"{name}/.zarray", 2**20))
        shape, chunks = _counts(content.get("shape"), 0), _counts(content.get("chunks"), 1)
        dtype, order = content.get("dtype"), content.get("order")
        sound = (
            content.get("zarr_format") == 2
            and len(shape) == len(chunks) >= 1
            and isinstance(dtype, str)
            and _DTYPE.fullmatch(dtype)
            and order in ("C", "F")
            and not content.get("filters")
            and content.get("dimension_separator", ".") in (".", "/")
        )
        if not sound:
            raise DataError(
                rule(path, f"an array of plain numbers, version 2, without filters, in `{shown(name)}`"),
                f"its .zarray says {shown(describe(content))}",
                _REPAIR,
            )
        self.shape, self._chunks = shape, chunks
        self._stored = np.dtype(str(dtype))
        self.dtype = self._stored.newbyteorder("=")
        self._order: Any = order
        self._separator = content.get("dimension_separator", ".")
        self._compressor = content.get("compressor")
        self._bytes = math.prod(self._chunks) * self._stored.itemsize
        self._across = [
            range(-(-size // step)) for size, step in zip(self.shape[1:], self._chunks[1:], strict=True)
        ]
        if self._bytes > _MOST_CHUNK or math.prod(map(len, self._across)) > _MOST_CHUNKS:
            raise DataError(
                rule(path, f"chunks of at most {_MOST_CHUNK} bytes in `{shown(name)}`"),
                f"they have shape {self._chunks}",
                "Write it again with smaller chunks",
            )
        self._last: tuple[int, np.ndarray] | None = None  # number and rows of the chunk that was read last

    @property
    def is_film(self) -> bool:
        """Whether it holds pictures: bytes, or floats, with three channels."""
        shape = self.shape
        fits = len(shape) == 4 and 3 in (shape[3], shape[1]) and 0 not in shape
        return fits and (self.dtype == np.uint8 or self.dtype.kind == "f")

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_last": None}

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Return rows in any order; each chunk is decoded once for those that follow one another."""
        if len(rows) == 0:
            return np.empty((0, *self.shape[1:]), self.dtype)
        numbers = rows // self._chunks[0]
        edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(rows)]
        self._chunk_rows(int(numbers[0]))  # proves to be there before memory is asked for
        found = np.empty((len(rows), *self.shape[1:]), self.dtype)
        for first, last in itertools.pairwise(edges):
            chunk = self._chunk_rows(int(numbers[first]))
            found[first:last] = chunk[rows[first:last] - numbers[first] * self._chunks[0]]
        return found

    def _chunk_rows(self, number: int) -> np.ndarray:
        if self._last is None or self._last[0] != number:
            count = min(self._chunks[0], self.shape[0] - number * self._chunks[0])
            parts = {at: self._decoded((number, *at)) for at in itertools.product(*self._across)}
            if len(parts) == 1:
                whole = next(iter(parts.values()))[(slice(count), *map(slice, self.shape[1:]))]
            else:
                whole = np.empty((count, *self.shape[1:]), self.dtype)
                for at, part in parts.items():
                    starts = [place * step for place, step in zip(at, self._chunks[1:], strict=True)]
                    ends = [
                        min(start + step, size)
                        for start, step, size in zip(starts, self._chunks[1:], self.shape[1:], strict=True)
                    ]
                    target = tuple(slice(*span) for span in zip(starts, ends, strict=True))
                    sizes = tuple(slice(end - start) for start, end in zip(starts, ends, strict=True))
                    whole[(slice(None), *target)] = part[(slice(count), *sizes)]
            self._last = number, whole
        return self._last[1]

    def _decoded(self, at: tuple[int, ...]) -> np.ndarray:
        name = f"{self._name}/{self._separator.join(map(str, at))}"
        if not self._source.has(name):
            raise DataError(
                rule(self._source.path, f"every chunk of `{shown(self._name)}`"),
                f"there is no {shown(name)}",
                _REPAIR,
            )
        raw = self._source.read(name, self._bytes + 2**20)
        with reading(self._source.path, f"a readable chunk {shown(name)}", fix=_REPAIR):
            content = decompressed(self._compressor, raw, self._bytes)
            if len(content) != self._bytes:
                raise ValueError(f"it has {len(content)} of {self._bytes} bytes")
            values = np.frombuffer(content, self._stored).reshape(self._chunks, order=self._order)
            return values.astype(self.dtype, copy=False)


def decompressed(settings: Any, raw: bytes, due: int) -> bytes:
    """Return what a compressor of a known kind was given, which must be `due` bytes long."""
    if settings is None:
        return raw
    kind = settings.get("id") if isinstance(settings, dict) else None
    if kind in ("zlib", "gzip"):
        return zlib.decompressobj(47).decompress(raw, due + 1)  # either header
    if kind == "bz2" or (kind == "lzma" and not settings.get("filters")):
        module = importlib.import_module(kind)  # which not every Python was built with
        decoder = module.BZ2Decompressor() if kind == "bz2" else module.LZMADecompressor()
        return decoder.decompress(raw, due + 1)
    # These write the size first, and their decoders believe it.
    sizes = {"blosc": _blosc_size, "lz4": _lz4_size, "zstd": _zstd_size}
    if kind not in sizes:
        raise ValueError(f"its compression is {shown(describe(kind))}, which is not known")
    if sizes[kind](raw) != due:
        raise ValueError(f"its compressed bytes do not hold the {due} that they should")
    return bytes(getattr(optional("numcodecs", _OWNER), kind).decompress(raw))


def _blosc_size(raw: bytes) -> int:
    return int.from_bytes(raw[4:8], "little") if int.from_bytes(raw[12:16], "little") == len(raw) else -1


def _lz4_size(raw: bytes) -> int:
    return int.from_bytes(raw[:4], "little")


def _zstd_size(raw: bytes) -> int:
    """Return the size that a frame of Zstandard declares (RFC 8878, 3.1.1.1), -1 where it does not."""
    if raw[:4] != b"\x28\xb5\x2f\xfd" or len(raw) < 14:
        return -1
    descriptor = raw[4]
    single = descriptor >> 5 & 1
    start = 6 - single + (0, 1, 2, 4)[descriptor & 3]
    width = (single, 2, 4, 8)[descriptor >> 6]
    return -1 if width == 0 else int.from_bytes(raw[start : start + width], "little") + 256 * (width == 2)


def _counts(value: object, low: int) -> tuple[int, ...]:
    """Return a list of whole numbers as a tuple, an empty one where it is none."""
    if not isinstance(value, list) or not all(type(one) is int and low <= one < 2**40 for one in value):
        return ()
    return tuple(value)


class ZarrPictures(LazyColumn):
    """Rows of an array of pictures, as uint8 with the channel last."""

    def __init__(self, array: _Array, rows: np.ndarray) -> None:
        self._array, self._rows = array, rows
        self._channel_first = array.shape[3] != 3
        height, width = array.shape[2:] if self._channel_first else array.shape[1:3]
        self.shape = (len(rows), height, width, 3)
        self.dtype = np.dtype(np.uint8)
        if array.dtype.kind == "f" and 0 < float(array.read(rows[:1]).max()) <= 1:
            raise DataError(
                rule(array._source.path, f"pictures from 0 to 255 in `{shown(array._name)}`"),
                "the first is from 0 to 1",
                "Multiply them by 255 and write them as uint8",
            )

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Read rows; floats are rounded."""
        found = self._array.read(self._rows[rows])
        if self._channel_first:
            found = found.transpose(0, 2, 3, 1)
        if found.dtype != np.uint8:
            if not (
                np.isfinite(found).all() and found.min(initial=0) > -0.5 and found.max(initial=0) < 255.5
            ):
                raise DataError(
                    rule(self._array._source.path, f"pictures from 0 to 255 in `{shown(self._array._name)}`"),
                    "some values are outside",
                    "Write them as uint8",
                )
            if found.size and found.max() <= 1 and (found != np.rint(found)).any():
                raise DataError(
                    rule(self._array._source.path, f"pictures from 0 to 255 in `{shown(self._array._name)}`"),
                    "these are from 0 to 1",
                    "Multiply them by 255 and write them as uint8",
                )
            found = np.rint(found).astype(np.uint8)
        return np.ascontiguousarray(found)
