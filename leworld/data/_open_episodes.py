"""One way in for data on disk, whichever of leworld's formats they have."""

import os
from pathlib import Path

from ..errors import DataError
from ._arguments import path_of
from ._episodes import Episodes
from ._hdf5._open import open_hdf5
from ._store._layout import INDEX_FILE, UNFINISHED_FILE
from ._store._open import open_store

_HDF5 = b"\x89HDF\r\n\x1a\n"
_USER_BLOCKS = (0, 512, 1024, 2048, 4096)


def open_episodes(path: str | os.PathLike[str]) -> Episodes:
    """Open recorded episodes: the folder of a packed store, or an HDF5 file in stable-worldmodel's layout.

    What it is is told by its content, not by its name. Pictures stay on disk, see `open_store` and
    `open_hdf5`, which have the options; `Episodes.load` brings them into memory.

    Args:
        path: The folder or the file.

    Raises:
        DataError: There is nothing, it is of no format that leworld reads, or its reader refuses it.
        ConfigError: `path` is no path.
        MissingExtraError: It is an HDF5 file and h5py is not installed.

    Example:
        ```python
        import tempfile
        import numpy as np
        from leworld.data import Episodes, open_episodes, write_store

        films = [np.zeros((4, 8, 8, 3), np.uint8)]
        with tempfile.TemporaryDirectory() as folder:
            write_store(folder, Episodes.from_trajectories(films, [np.ones((3, 2), np.float32)]))
            assert len(open_episodes(folder)) == 1
        ```
    """
    place = path_of("open_episodes", path)
    try:
        is_folder, is_file = place.is_dir(), place.is_file()
        is_store = is_folder and ((place / INDEX_FILE).exists() or (place / UNFINISHED_FILE).exists())
        is_hdf5 = is_file and _is_hdf5(place)
    except (OSError, ValueError) as error:
        told = getattr(error, "strerror", None) or error
        raise DataError(
            f"open_episodes needs {place} to be readable", f"reading it failed ({told})", "Check the path"
        ) from error
    if is_store:
        return open_store(place)
    if is_hdf5:
        return open_hdf5(place)
    if is_folder or is_file:
        got = "it has no index.json" if is_folder else "it begins as no HDF5 file does"
    else:
        got = "there is no such file or folder" if not place.exists() else "it is a pipe or a device"
    raise DataError(
        f"open_episodes needs {place} to be the folder of a packed store, or an HDF5 file",
        got,
        "Write your own arrays with `write_store` or `write_hdf5`; unpack a .zst file first",
    )


def _is_hdf5(path: Path) -> bool:
    """Whether HDF5's signature is at one of the places where it may be."""
    with path.open("rb") as stream:
        for place in _USER_BLOCKS:
            stream.seek(place)
            if stream.read(len(_HDF5)) == _HDF5:
                return True
    return False
