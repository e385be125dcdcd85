"""Opening a file in stable-worldmodel's layout without bringing its pictures into memory."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..._checks import plain_numbers
from .._episodes import Episodes
from .._lazy import LazyColumn, rows_of
from ._assemble import episodes_of
from ._columns import is_channel_first
from ._lazy import Hdf5Pictures
from ._stored import Runs, StoredColumn


@plain_numbers
def open_hdf5(
    path: str | os.PathLike[str],
    *,
    episodes: slice | Sequence[int] | None = None,
    extra_columns: Sequence[str] = (),
    environment_id: str | None = None,
) -> Episodes:
    """Open an HDF5 file as `read_hdf5` reads it, with its pictures left on disk.

    Reach for it where a file is larger than the memory. Pictures are read when they are asked for, a batch at
    a time; actions, states and other numbers are read at once, a few bytes a row. Every check of `read_hdf5`
    is made here, and what it refuses is refused.

    Random rows of a compressed file cost a whole chunk each. To train on one for more than a few hundred
    steps, write it once with `write_store`, from which batches come as fast as from memory.

    The result can be pickled, forked and spawned: each process opens the file by itself. A file that is
    written to, moved or deleted meanwhile is refused at the next read.

    Args:
        path: The file.
        episodes: Which episodes, as a slice or a list of numbers; all of them unless given.
        extra_columns: Names of columns outside the layout, or of further cameras.
        environment_id: Overrides the environment that the file names, or fills it in.

    Raises:
        DataError: As `read_hdf5`; later, when rows are read, if the file has changed or is damaged there.
        ConfigError: A chosen episode does not exist, or an argument is of another kind.
        MissingExtraError: h5py is not installed, or the file needs a compression filter that is not:
            published files use Blosc and need `pip install hdf5plugin`.

    Source:
        The layout is stable-worldmodel's, see `read_hdf5`.

    Example:
        ```python
        import tempfile
        from pathlib import Path
        import numpy as np
        from leworld.data import Episodes, Windows, open_hdf5, write_hdf5

        films = [np.full((4, 8, 8, 3), i, np.uint8) for i in range(5)]
        episodes = Episodes.from_trajectories(films, [np.ones((3, 2), np.float32)] * 5)
        with tempfile.TemporaryDirectory() as folder:
            write_hdf5(Path(folder) / "mine.h5", episodes)
            windows = Windows(open_hdf5(Path(folder) / "mine.h5"), 3, frameskip=1)
            assert windows[4].pixels.max() == 4
        ```
    """
    return episodes_of(
        path,
        owner="open_hdf5",
        pictures=_left_on_disk,
        episodes=episodes,
        extra_columns=extra_columns,
        environment_id=environment_id,
    )


def _left_on_disk(path: Path, column: StoredColumn, runs: Runs) -> LazyColumn:
    film = Hdf5Pictures(path, column, channel_first=is_channel_first(path, column))
    column.check(runs)
    if list(runs) == [(0, len(film))]:
        return film
    return rows_of(film, np.concatenate([np.arange(start, end) for start, end in runs]))
