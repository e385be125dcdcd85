"""Opening a packed store as `Episodes`."""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from ..._digests import row_digests
from ...errors import DataError, LeWorldError
from .._arguments import check_flag, path_of
from .._episodes import Episodes
from .._lazy import LazyColumn
from ._index import Shard, StoreIndex, read_index
from ._layout import (
    ACTIONS,
    DIGESTS,
    LENGTHS,
    PIXELS,
    REPAIR,
    UNFINISHED_FILE,
    array_bytes,
    npy_header,
    read_plain,
    rule,
)
from ._pictures import StoredPictures


def open_store(path: str | os.PathLike[str], *, verify: bool = False) -> Episodes:
    """Open a packed store, as `write_store` and `leworld pack` write it, with its pictures left on disk.

    The fast source for training: a batch is copied out of mapped memory, about as fast as from an array, and
    the operating system keeps as much of the store in its page cache as it has room for. What the process
    itself allocates does not grow with the store. Actions, states and other numbers are read at once.

    The index and every small file are compared with their digests, the files of pictures with the size and
    the form that they must have. The digests of the pictures are taken as recorded: they tell training which
    episodes it sees without reading them all. `verify=True` reads every picture and compares.

    The result can be pickled, forked and spawned. Do not cut or overwrite the files of a store while it is
    open; `write_store` never does.

    Args:
        path: The folder.
        verify: Whether to read all pictures once and compare them with their digests.

    Raises:
        DataError: There is no store, it was not finished, or a file is missing, truncated, altered or no
            plain file; the message names it.
        ConfigError: `path` is no path.

    Example:
        ```python
        import tempfile
        from pathlib import Path
        import numpy as np
        from leworld.data import Episodes, open_store, write_store

        films = [np.full((4, 8, 8, 3), i, np.uint8) for i in range(5)]
        episodes = Episodes.from_trajectories(films, [np.ones((3, 2), np.float32)] * 5, fps=10)
        with tempfile.TemporaryDirectory() as folder:
            write_store(Path(folder) / "mine", episodes)
            store = open_store(Path(folder) / "mine")
            assert store.pixels[[19, 0]].max() == 4 and store.fps == 10
        ```
    """
    check_flag("open_store", "verify", verify)
    folder = path_of("open_store", path).absolute()
    check_there(folder)
    index = read_index(folder)
    episodes = episodes_of(folder, index)
    if verify:
        _verify(folder, index, episodes)
    return episodes


def check_there(folder: Path) -> None:
    """Raise `DataError` unless there is a finished store."""
    try:
        is_folder, is_begun = folder.is_dir(), (folder / UNFINISHED_FILE).exists()
        there = (folder / "index.json").exists()
    except (OSError, ValueError) as error:
        told = getattr(error, "strerror", None) or error
        raise DataError(
            rule(folder, "to exist"), f"looking for it failed ({told})", "Check the path"
        ) from error
    if not is_folder:
        raise DataError(rule(folder, "to be a folder"), "there is none", "Check the path")
    if not there:
        raise DataError(
            rule(folder, "an index.json"),
            "packing it was not finished" if is_begun else "there is none",
            "Pack it again by the same call, which goes on" if is_begun else "Pass the folder of a store",
        )


def episodes_of(folder: Path, index: StoreIndex) -> Episodes:
    """Return the episodes of a store whose index was read."""
    lengths = np.concatenate([_lengths(folder, shard) for shard in index.shards])
    columns: dict[str, Any] = {}
    for name, column in index.columns.items():
        if column.is_film:
            rows = [(shard.name, shard.rows) for shard in index.shards]
            film = StoredPictures(folder, name, column.tail, shards=rows)
            film.check()
            columns[name] = film
            continue
        parts = [
            small_array(folder, shard, name, dtype=column.dtype, shape=(shard.rows, *column.tail))
            for shard in index.shards
        ]
        columns[name] = parts[0] if len(parts) == 1 else np.concatenate(parts)
    films = index.films
    if films:
        pieces = [
            small_array(
                folder, shard, DIGESTS, dtype=np.dtype(np.uint8), shape=(shard.episodes, len(films), 32)
            )
            for shard in index.shards
        ]
        digests = np.concatenate(pieces)
        for place, name in enumerate(films):
            columns[name].know(lengths, digests[:, place])
    try:
        return Episodes._of_own(
            columns.pop(PIXELS, None),
            columns.pop(ACTIONS),
            lengths=lengths,
            columns=columns,
            task_texts=index.task_texts,
            **{name: getattr(index, name) for name in index.facts},
        )
    except LeWorldError as error:
        raise DataError(
            rule(folder, "episodes whose parts fit together"),
            f"they do not: {error.got}",
            f"{error.rule}. {error.fix}",
        ) from error


def _lengths(folder: Path, shard: Shard) -> np.ndarray:
    lengths = small_array(folder, shard, LENGTHS, dtype=np.dtype(np.int64), shape=(shard.episodes,))
    if lengths.min() < 1 or lengths.max() > shard.rows or lengths.sum() != shard.rows:
        raise DataError(
            rule(folder, f"lengths that add up to the {shard.rows} rows of its shard {shard.name}"),
            f"they add up to {lengths.sum()}",
            REPAIR,
        )
    return lengths


def small_array(
    folder: Path, shard: Shard, name: str, *, dtype: np.dtype, shape: tuple[int, ...]
) -> np.ndarray:
    """Read an array whose digest the index knows."""
    file, header = f"{shard.name}/{name}.npy", npy_header(dtype, shape)
    due = len(header) + array_bytes(dtype, shape)
    raw = read_plain(folder, file, limit=due + 1)
    if (
        len(raw) != due
        or not raw.startswith(header)
        or hashlib.sha256(raw).hexdigest() != shard.digests[name]
    ):
        got = f"it has {len(raw)} of {due} bytes" if len(raw) < due else "it is another one"
        raise DataError(rule(folder, f"its file {file} as it was written"), got, REPAIR)
    return np.frombuffer(raw, dtype, offset=len(header)).reshape(shape)


def _verify(folder: Path, index: StoreIndex, episodes: Episodes) -> None:
    """Read every picture and compare."""
    for name in index.films:
        film = episodes.pixels if name == PIXELS else episodes.columns[name]
        for episode, (first, length) in enumerate(zip(episodes.offsets, episodes.lengths, strict=True)):
            start, end = int(first), int(first + length)
            found = row_digests(_Unknown(film, start, end), [length])[0]
            if found != film.digest(start, end):
                raise DataError(
                    rule(folder, f"the pictures `{name}` of episode {episode} as they were written"),
                    "they are others",
                    REPAIR,
                )


class _Unknown(LazyColumn):
    """Rows of a column, without the digests that were recorded of them."""

    def __init__(self, column: LazyColumn, start: int, end: int) -> None:
        self._column, self._start = column, start
        self.shape, self.dtype = (end - start, *column.shape[1:]), column.dtype

    def read(self, rows: np.ndarray) -> np.ndarray:
        return self._column[rows + self._start]
