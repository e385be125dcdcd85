"""Writing shards: whole episodes, their pictures resized and hashed on the way to the disk."""

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from ..._digests import begun_digest
from ..._files import flush
from .._episodes import Episodes
from .._resize import resized
from ._index import Shard, Stored
from ._layout import ACTIONS, DIGESTS, LENGTHS, PIXELS, npy_header

SHARD_BYTES = 2**28
MOST_SHARDS_WRITTEN = 200  # each costs a process a file handle
_BLOCK_BYTES = 2**25


@dataclass(frozen=True)
class Source:
    """Episodes to write, their columns by the names that they get, and the type and shape of each there."""

    episodes: Episodes
    columns: Mapping[str, Any]
    stored: Mapping[str, Stored]

    def select(self, first: int, last: int) -> "Source":
        """Return some episodes that follow one another."""
        start = int(self.episodes.offsets[first])
        end = start + int(self.episodes.lengths[first:last].sum())
        columns = {name: _Part(column, start, end) for name, column in self.columns.items()}
        return Source(self.episodes.select(slice(first, last)), columns, self.stored)


class _Part:
    """Some rows of a column, read when they are asked for."""

    def __init__(self, column: Any, start: int, end: int) -> None:
        self._column, self._start, self._end = column, start, end

    def __len__(self) -> int:
        return self._end - self._start

    def block(self, start: int, end: int) -> np.ndarray:
        """Return rows from `start` to `end`."""
        return np.asarray(self._column[self._start + start : self._start + min(end, len(self))])


def parts_of(sources: Sequence[Source]) -> list[tuple[int, int, int]]:
    """Return what each shard holds: the number of a source, its first episode and the one after its last."""
    sizes = [sum(stored.row_bytes for stored in source.stored.values()) for source in sources]
    total = sum(size * source.episodes.num_rows for size, source in zip(sizes, sources, strict=True))
    most = max(SHARD_BYTES, total // MOST_SHARDS_WRITTEN)
    parts = []
    for number, (size, source) in enumerate(zip(sizes, sources, strict=True)):
        first, filled = 0, 0
        for episode, length in enumerate(source.episodes.lengths.tolist()):
            if filled and filled + length * size > most:
                parts.append((number, first, episode))
                first, filled = episode, 0
            filled += length * size
        parts.append((number, first, source.episodes.num_episodes))
    return parts


def write_shard(folder: Path, name: str, source: Source, on_rows: Callable[[int], object]) -> Shard:
    """Write one shard, in place of what an interrupted call may have left there, and flush it to the disk."""
    place = folder / name
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    place.mkdir()
    lengths = source.episodes.lengths.astype("<i8")
    small = {LENGTHS: lengths}
    films = sorted(name for name, stored in source.stored.items() if stored.is_film)
    pieces = []
    for column in films:
        pieces.append(_write_film(place / f"{column}.npy", source, column, on_rows))
    if films:
        small[DIGESTS] = np.stack(pieces, axis=1)
    for column, stored in source.stored.items():
        if column not in films:
            whole = source.columns[column]
            small[column] = whole.block(0, len(whole)).astype(stored.dtype, copy=False)
    digests = {column: _write_small(place / f"{column}.npy", array) for column, array in small.items()}
    flush(place)
    return Shard(name, int(lengths.sum()), len(lengths), digests, source.episodes.task_texts)


def _write_small(path: Path, array: np.ndarray) -> str:
    raw = npy_header(array.dtype, array.shape) + np.ascontiguousarray(array).tobytes()
    with path.open("xb") as stream:
        stream.write(raw)
    flush(path)
    return hashlib.sha256(raw).hexdigest()


def _write_film(path: Path, source: Source, name: str, on_rows: Callable[[int], object]) -> np.ndarray:
    """Write the pictures of one camera and return the digest (episode, 32) of each episode's."""
    tail, rows = source.stored[name].tail, len(source.columns[name])
    ends = np.cumsum(source.episodes.lengths).tolist()
    digests, found, at = [], begun_digest(tail), 0
    with path.open("xb") as stream:
        stream.write(npy_header(np.dtype(np.uint8), (rows, *tail)))
        for block in _blocks(source.columns[name], tail):
            _write(stream, block)
            first = 0
            while first < len(block):
                last = min(len(block), first + ends[len(digests)] - at)
                found.update(np.ascontiguousarray(block[first:last]).data)
                at, first = at + last - first, last
                if at == ends[len(digests)]:
                    digests.append(np.frombuffer(found.digest(), np.uint8))
                    found = begun_digest(tail)
            on_rows(len(block) if name == PIXELS else 0)
    flush(path)
    return np.stack(digests)


def _write(stream: BinaryIO, block: np.ndarray) -> None:
    stream.write(np.ascontiguousarray(block).data)


def _blocks(column: _Part, tail: tuple[int, ...]) -> Iterator[np.ndarray]:
    first = column.block(0, 1)[0]
    copies = 1 if first.shape == tail else 5  # to resize, in float32
    step = max(1, _BLOCK_BYTES // max(1, copies * first.nbytes))
    for start in range(0, len(column), step):
        block = column.block(start, start + step)
        yield block if block.shape[1:] == tail else resized_pictures(block, tail[0])


def resized_pictures(pictures: np.ndarray, size: int) -> np.ndarray:
    """Return uint8 pictures as squares of another size, as a `Processor` resizes them, rounded."""
    frames = torch.from_numpy(np.array(pictures))
    return resized(frames, size).round_().clamp_(0, 255).to(torch.uint8).numpy()


def stored_columns(columns: Mapping[str, Any], image_size: int | None) -> dict[str, Stored]:
    """Return type and shape of every column as it will be stored."""
    found = {}
    for name, column in columns.items():
        stored = Stored(np.dtype(column.dtype).newbyteorder("<"), tuple(column.shape[1:]))
        if stored.is_film and image_size is not None:
            stored = Stored(stored.dtype, (image_size, image_size, 3))
        found[name] = Stored(np.dtype("<f4"), stored.tail) if name == ACTIONS else stored
    return found
