"""Writing `Episodes` to a file in stable-worldmodel's layout, whole or not at all."""

import json
import os
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .._checks import check_choice, describe, require
from .._files import write_atomically
from ..errors import ConfigError, DataError
from ._episodes import Episodes, check_episodes
from ._hdf5_columns import arriving_rewards
from ._hdf5_layout import (
    CHOICES_ATTRIBUTE,
    COLUMNS_ATTRIBUTE,
    ENVIRONMENT_ATTRIBUTE,
    FPS_ATTRIBUTE,
    RESERVED_COLUMNS,
    REWARD,
)

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
            smaller, slower and read by every HDF5 program; "none" neither.
        overwrite: Replace an existing file instead of refusing to.

    Raises:
        ConfigError: The file exists, its folder does not, or an option is unknown.
        DataError: A column has a reserved name or does not hold numbers.
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
    target = Path(path)
    if not target.parent.is_dir():
        raise ConfigError(
            "write_hdf5 needs the folder of `path` to exist",
            f"there is no folder {target.parent}",
            "Create it first",
        )
    if target.exists() and not overwrite:
        raise ConfigError(
            "write_hdf5 needs a new `path`", f"{target} exists", "Pass overwrite=True to replace it"
        )
    _check_columns(episodes)

    def write(path: Path) -> None:
        with h5py.File(path, "x") as file:
            _fill(file, episodes, None if compression == "none" else compression)

    write_atomically(target, write, error=DataError)


def _check_columns(episodes: Episodes) -> None:
    for name, column in episodes.columns.items():
        if name in RESERVED_COLUMNS or "/" in name or name in ("", "."):
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


def _fill(file: Any, episodes: Episodes, compression: str | None) -> None:
    lengths, offsets = episodes.lengths, episodes.offsets
    if episodes.pixels is not None:
        _add_pictures(file, "pixels", episodes.pixels, compression)
    file.create_dataset("action", data=episodes.actions)
    for name, column in episodes.columns.items():
        if column.dtype == np.uint8 and column.ndim == 4:
            _add_pictures(file, name, column, compression)
        else:
            file.create_dataset(name, data=arriving_rewards(column, lengths) if name == REWARD else column)
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
    }
    for name, value in facts.items():
        if value is not None:
            file.attrs[name] = value


def _add_pictures(file: Any, name: str, pictures: np.ndarray, compression: str | None) -> None:
    """Store pictures in chunks of about a megabyte."""
    if 0 in pictures.shape:
        file.create_dataset(name, data=pictures)
        return
    chunk = max(1, min(len(pictures), _CHUNK_BYTES // pictures[0].nbytes))
    file.create_dataset(name, data=pictures, chunks=(chunk, *pictures.shape[1:]), compression=compression)
