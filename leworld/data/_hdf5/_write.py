"""Writing `Episodes` to a file in stable-worldmodel's layout, whole or not at all."""

import json
import os
from io import FileIO
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..._checks import check_choice, describe, require
from ..._files import write_atomically
from ...errors import ConfigError, DataError
from .._arguments import is_unicode, path_of
from .._episodes import Episodes, check_episodes
from .._hdf5_layout import (
    CHOICES_ATTRIBUTE,
    COLUMNS_ATTRIBUTE,
    ENVIRONMENT_ATTRIBUTE,
    FPS_ATTRIBUTE,
    MOST_ATTRIBUTE_BYTES,
    RESERVED_COLUMNS,
    REWARD,
    TEXTS_ATTRIBUTE,
    shown,
    told,
)
from .._lazy import Column, LazyColumn
from .._task_texts import texts_to_json
from ._columns import arriving_rewards

_CHUNK_BYTES = 1 << 20


def write_hdf5(
    path: str | os.PathLike[str],
    episodes: Episodes,
    *,
    compression: Literal["lzf", "gzip", "none"] = "lzf",
    overwrite: bool = False,
) -> None:
    """Write episodes to one HDF5 file that `read_hdf5` and stable-worldmodel read.

    The file appears under its name only when it is complete: it is written beside it, flushed to the disk and
    then renamed, so an interrupted write leaves an earlier file of that name as it was. Needs the package
    h5py (extra `train`). See `read_hdf5` for the layout.

    Args:
        path: The file to write; its folder must exist.
        episodes: What to write. Column names of the layout itself, such as "ep_len", are not free.
        compression: Of the pixels and of further cameras. "lzf" is fast and comes with h5py; "gzip" is
            smaller, slower and read by every HDF5 program; "none" takes the most room, and random frames of
            it are the fastest to read.
        overwrite: Replace an existing file instead of refusing to.

    Raises:
        ConfigError: The file exists, its folder does not, or an option is unknown.
        DataError: A column has a reserved name or does not hold numbers, or the disk refuses: it is full, or
            the folder cannot be written to.
        MissingExtraError: h5py is not installed.

    Example:
        ```python
        import tempfile
        from pathlib import Path
        import numpy as np
        from leworld.data import Episodes, read_hdf5, write_hdf5

        films = [np.full((4, 8, 8, 3), 7, np.uint8)]
        episodes = Episodes.from_trajectories(films, [np.ones((3, 2), np.float32)])
        with tempfile.TemporaryDirectory() as folder:
            write_hdf5(Path(folder) / "mine.h5", episodes)
            assert (read_hdf5(Path(folder) / "mine.h5").pixels == 7).all()
        ```
    """
    h5py = require("h5py", extra="train", purpose="write_hdf5")
    check_choice("write_hdf5", "compression", compression, ("lzf", "gzip", "none"))
    check_episodes("write_hdf5", "episodes", episodes)
    target = _target(path, overwrite)
    _check_columns(episodes)
    texts = _texts(episodes)

    def write(path: Path) -> None:
        with path.open("x+b", buffering=0) as stream:
            sink = _Sink(stream)
            with h5py.File(sink, "w") as file:
                _fill(file, episodes, texts, None if compression == "none" else compression)
            if sink.error is not None:
                raise sink.error

    try:
        write_atomically(target, write)
    except (OSError, RuntimeError, ValueError) as error:  # ValueError: h5py's "unable to ..." at some places
        raise DataError(
            f"write_hdf5 needs to write {target}",
            f"that failed ({told(error)})",
            "Choose a folder that you may write to, on a disk with room; an earlier file is as it was",
        ) from error


def _target(path: str | os.PathLike[str], overwrite: bool) -> Path:
    """Return the path after checking that a file may be written there."""
    target = path_of("write_hdf5", path)
    try:
        there, is_folder, beside = target.parent.is_dir(), target.is_dir(), os.path.lexists(target)
    except (OSError, ValueError) as error:
        raise ConfigError(
            "write_hdf5 needs a path that can exist", f"it is {shown(str(path))}", "Check it"
        ) from error
    if not there:
        raise ConfigError(
            "write_hdf5 needs the folder of `path` to exist",
            f"there is no folder {target.parent}",
            "Create it first",
        )
    if is_folder:
        raise ConfigError(
            "write_hdf5 needs `path` to be a file's", f"{target} is a folder", "Add the name of a file"
        )
    if beside and not overwrite:
        raise ConfigError(
            "write_hdf5 needs a new `path`", f"{target} exists", "Pass overwrite=True to replace it"
        )
    return target


def _check_columns(episodes: Episodes) -> None:
    for name, column in episodes.columns.items():
        if name in RESERVED_COLUMNS or name in ("", ".") or set(name) & set("/\0") or not is_unicode(name):
            raise DataError(
                "write_hdf5 needs column names that the layout does not use itself, without slashes",
                f"one is {name!r}",
                "Rename it",
            )
        if column.dtype.kind not in "biuf":
            raise DataError(
                "write_hdf5 needs columns of numbers",
                f"`{name}` is {describe(column)}",
                "Encode it as numbers or leave it out",
            )


def _texts(episodes: Episodes) -> str | None:
    """Return what the file says of the tasks."""
    if episodes.task_texts is None:
        return None
    content = json.dumps(texts_to_json(episodes.task_texts))
    if len(content) >= MOST_ATTRIBUTE_BYTES:
        raise DataError(
            f"write_hdf5 needs `task_texts` of less than {MOST_ATTRIBUTE_BYTES} bytes",
            f"they take {len(content)}",
            "Write a store with `write_store`, which has room for them",
        )
    return content


class _Sink:
    """A file for h5py whose disk may be full: it keeps the first error and takes everything after it.

    libhdf5 cannot close a file that it cannot write, and would hold on to its space until the process ends.
    """

    def __init__(self, stream: FileIO) -> None:
        self._stream = stream
        self.error: OSError | None = None

    def write(self, content: Any) -> int:
        """Write all of it."""
        rest = memoryview(content)
        try:
            while self.error is None and rest:
                rest = rest[self._stream.write(rest) :]
        except OSError as error:
            self.error = error
        return len(content)

    def truncate(self, size: int) -> int:
        """Set the size of the file."""
        try:
            return size if self.error else self._stream.truncate(size)
        except OSError as error:
            self.error = error
            return size

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        """Move to a place."""
        return self._stream.seek(place, whence)

    def tell(self) -> int:
        """Return the place."""
        return self._stream.tell()

    def read(self, size: int = -1) -> bytes:
        """Read; h5py takes nothing for a file that cannot."""
        return self._stream.read(size) or b""

    def readinto(self, memory: Any) -> int:
        """Read what lies there."""
        return self._stream.readinto(memory) or 0

    def flush(self) -> None:
        """Nothing waits to be written."""


def _fill(file: Any, episodes: Episodes, texts: str | None, compression: str | None) -> None:
    lengths, offsets = episodes.lengths, episodes.offsets
    if episodes.pixels is not None:
        _add_pictures(file, "pixels", episodes.pixels, compression)
    file.create_dataset("action", data=episodes.actions)
    for name, column in episodes.columns.items():
        if column.dtype == np.uint8 and column.ndim == 4:
            _add_pictures(file, name, column, compression)
        else:
            values = np.asarray(column)
            file.create_dataset(name, data=arriving_rewards(values, lengths) if name == REWARD else values)
    file.create_dataset("ep_len", data=lengths.astype(np.int32))
    file.create_dataset("ep_offset", data=offsets)
    # The published evaluation script finds episodes by these two.
    file.create_dataset("ep_idx", data=np.repeat(np.arange(len(lengths), dtype=np.int64), lengths))
    file.create_dataset("step_idx", data=np.arange(episodes.num_rows) - np.repeat(offsets, lengths))
    file.attrs[COLUMNS_ATTRIBUTE] = json.dumps(list(episodes.columns))
    facts = {
        ENVIRONMENT_ATTRIBUTE: episodes.environment_id,
        FPS_ATTRIBUTE: episodes.fps,
        CHOICES_ATTRIBUTE: episodes.action_choices,
        TEXTS_ATTRIBUTE: texts,
    }
    for name, value in facts.items():
        if value is not None:
            file.attrs[name] = value


def _add_pictures(file: Any, name: str, pictures: Column, compression: str | None) -> None:
    """Store pictures one after another, or compressed in chunks of about a megabyte."""
    if 0 in pictures.shape:
        file.create_dataset(name, data=pictures)
        return
    chunk = max(1, min(len(pictures), _CHUNK_BYTES // pictures[0].nbytes))
    options: dict[str, Any] = {}  # as they are, a frame costs its own bytes and no chunk's
    if compression is not None:
        options = {"chunks": (chunk, *pictures.shape[1:]), "compression": compression}
    if not isinstance(pictures, LazyColumn):
        file.create_dataset(name, data=pictures, **options)
        return
    stored = file.create_dataset(name, shape=pictures.shape, dtype=pictures.dtype, **options)
    for start in range(0, len(pictures), chunk):
        stored[start : start + chunk] = pictures[start : start + chunk]
