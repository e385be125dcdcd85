"""One way in for data on disk, whichever of the formats that leworld reads they have."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import DataError
from ._arguments import names_of, path_of
from ._episodes import Episodes
from ._hdf5._file import opened
from ._hdf5._groups import HDF5_SUFFIXES, open_hdf5_groups
from ._hdf5._open import open_hdf5
from ._lerobot._meta import is_lerobot
from ._lerobot._open import open_lerobot
from ._readers._columns import PIXELS, Cameras, chosen_cameras
from ._readers._dino_wm import STATES_FILE, open_dino_wm
from ._readers._folder import DataFolder
from ._readers._minari import is_minari, open_minari
from ._readers._recordings import is_recordings, open_recordings
from ._readers._swm_folder import LENGTHS_FILE, open_swm_folder
from ._readers._zarr import is_zarr, open_zarr
from ._store._layout import INDEX_FILE, UNFINISHED_FILE
from ._store._open import open_store

_OWNER = "open_episodes"
_HDF5 = b"\x89HDF\r\n\x1a\n"
_USER_BLOCKS = (0, 512, 1024, 2048, 4096)
_ZIP = b"PK\x03\x04"


def open_episodes(
    path: str | os.PathLike[str],
    *,
    cameras: str | Sequence[str] | Mapping[str, str] | None = None,
) -> Episodes:
    """Open recorded episodes, whichever of the known formats they have.

    A packed store; an HDF5 file in stable-worldmodel's layout, or with a group for every episode
    (robomimic, LIBERO); a folder of LeRobot, Minari, DINO-WM, of stable-worldmodel's formats `folder` and
    `video`, of HDF5 files with one episode each, or of videos or pictures with tables of actions; a zarr
    buffer of diffusion policy. What it is is told by its content. Pictures stay on disk; `Episodes.load`
    brings them into memory.

    Each format has a function of its own with its options: `open_store`, `open_hdf5`, `open_hdf5_groups`,
    `open_lerobot`, `open_minari`, `open_dino_wm`, `open_swm_folder`, `open_recordings`, `open_zarr`.

    Args:
        path: The folder or the file.
        cameras: One camera, which becomes `pixels`; several, which keep their names; or a mapping to other
            names. All unless given.

    Raises:
        DataError: There is nothing, it is of no format that leworld reads, or its reader refuses it.
        ConfigError: `path` is no path, or there is no such camera.
        MissingExtraError: The library of its format is not installed; the message names the extra.

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
    place = path_of(_OWNER, path)
    try:
        is_folder, is_file = place.is_dir(), place.is_file()
        opener = _of_folder(place) if is_folder else _of_file(place) if is_file else None
    except (OSError, ValueError) as error:
        told = getattr(error, "strerror", None) or error
        raise DataError(
            f"{_OWNER} needs {place} to be readable", f"reading it failed ({told})", "Check the path"
        ) from error
    if opener is not None:
        return opener(place, cameras=cameras)
    if is_folder or is_file:
        got = "it has the files of none of them" if is_folder else "it begins as none of their files does"
    else:
        got = "there is no such file or folder" if not place.exists() else "it is a pipe or a device"
    raise DataError(
        f"{_OWNER} needs {place} to be a packed store, an HDF5 file, or a data set of a known format",
        got,
        "See `leworld.data.open_episodes` for the formats; write your own arrays with `write_store`, and "
        "unpack a .zst file first",
    )


def _of_folder(place: Path) -> Callable[..., Episodes] | None:
    """Return what opens a folder, None where nothing does."""
    if (place / INDEX_FILE).exists() or (place / UNFINISHED_FILE).exists():
        return partial(_renamed, open_store)
    folder = DataFolder(place)
    if is_lerobot(folder):
        return open_lerobot
    if is_zarr(place):
        return open_zarr
    if is_minari(folder):
        return open_minari
    if LENGTHS_FILE in folder:
        return open_swm_folder
    if STATES_FILE in folder:
        return partial(_renamed, open_dino_wm)
    if is_recordings(folder):
        return partial(_renamed, open_recordings)
    if folder.names(suffixes=HDF5_SUFFIXES):
        return partial(open_hdf5_groups, group="", actions="action")
    return None


def _of_file(place: Path) -> Callable[..., Episodes] | None:
    with place.open("rb") as stream:
        if stream.read(len(_ZIP)) == _ZIP:
            return open_zarr
        for block in _USER_BLOCKS:
            stream.seek(block)
            if stream.read(len(_HDF5)) == _HDF5:
                break
        else:
            return None
    with opened(place, owner=_OWNER) as file:
        grouped = "data" in file.names and "ep_len" not in file.names and file.members("data") is not None
    return open_hdf5_groups if grouped else _open_flat


def _open_flat(place: Path, *, cameras: Cameras) -> Episodes:
    """Open a file in stable-worldmodel's layout, whose further cameras are there only if they are named."""
    if cameras is None:
        return open_hdf5(place)
    names = [*cameras] if isinstance(cameras, Mapping) else names_of(_OWNER, "cameras", cameras)
    with opened(place, owner=_OWNER) as file:
        further = [name for name in names if name in file.names and name != PIXELS]
    return _renamed(partial(open_hdf5, extra_columns=further), place, cameras=cameras)


def _renamed(opener: Callable[..., Episodes], place: Path, *, cameras: Cameras) -> Episodes:
    """Open episodes and keep the chosen cameras."""
    episodes = opener(place)
    if cameras is None:
        return episodes
    columns: dict[str, Any] = dict(episodes.columns)
    films = {name: columns.pop(name) for name, column in episodes.columns.items() if _is_film(column)}
    if episodes.pixels is not None:
        films[PIXELS] = episodes.pixels
    named = chosen_cameras(_OWNER, place, list(films), cameras)
    columns |= {new: films[name] for name, new in named.items()}
    return replace(episodes, pixels=columns.pop(PIXELS, None), columns=columns)


def _is_film(column: Any) -> bool:
    return column.ndim == 4 and column.dtype == "uint8" and column.shape[3] == 3
