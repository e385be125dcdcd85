"""stable-worldmodel's formats `folder` and `video`: arrays in .npz files, pictures in JPEG or mp4 files."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..._checks import describe, plain_numbers
from ...errors import DataError
from .._action_shift import warn_of_shift
from .._arguments import chosen_episodes, path_of
from .._episodes import Episodes
from .._hdf5._columns import leaving_rewards
from .._hdf5_layout import IGNORED_COLUMNS, REWARD
from .._lazy import LazyColumn
from ._columns import action_rows, assembled, chosen_cameras, spans_of
from ._folder import DataFolder, rule
from ._images import IMAGE_SUFFIXES, ImageFiles
from ._npz import npz_array
from ._video import Clip, VideoFrames

_OWNER = "open_swm_folder"
LENGTHS_FILE = "ep_len.npz"
_OFFSETS_FILE = "ep_offset.npz"


@plain_numbers
def open_swm_folder(
    path: str | os.PathLike[str],
    *,
    cameras: str | Sequence[str] | Mapping[str, str] | None = None,
    episodes: slice | Sequence[int] | None = None,
    fps: float | None = None,
    environment_id: str | None = None,
) -> Episodes:
    """Open a data set in stable-worldmodel's format `folder` or `video`, with its pictures left on disk.

    Columns are `.npz` files; a camera is a folder of `ep_0_step_0.jpeg` or of `ep_0.mp4`. One camera becomes
    `pixels`. Needs pillow, or PyAV for videos (extra `robots`). The frame rate of the videos is only what
    they are shown at and is not taken. Its format `lance` is read by converting it there, to `hdf5` for
    example.

    Args:
        path: The folder.
        cameras: One camera, which becomes `pixels`; several; or a mapping to other names. All unless given.
        episodes: Which episodes, as a slice or a list of numbers.
        fps: Rows a second; the format does not say.
        environment_id: Where the data comes from.

    Raises:
        DataError: A file is missing, damaged or of another length, or an array does not hold numbers.
        ConfigError: A camera or an episode does not exist.
        MissingExtraError: pillow or PyAV is not installed.

    Warns:
        UserWarning: The actions appear to stand in the wrong rows, see `action_shift`.

    Source:
        galilai-group/stable-worldmodel, data/formats/folder.py and video.py.

    Example:
        ```python
        import tempfile
        from pathlib import Path
        import numpy as np
        from leworld.data import open_swm_folder

        with tempfile.TemporaryDirectory() as folder:
            content = {"ep_len": np.array([3]), "ep_offset": np.array([0])}
            content |= {"action": np.ones((3, 2), np.float32), "state": np.ones((3, 4))}
            for name, array in content.items():
                np.savez(Path(folder) / f"{name}.npz", array)
            assert open_swm_folder(folder).columns["state"].shape == (3, 4)
        ```
    """
    folder = DataFolder(path_of(_OWNER, path))
    arrays = {
        name.removesuffix(".npz"): npz_array(folder.file(name)) for name in folder.names(suffixes=(".npz",))
    }
    all_lengths, offsets = _spans(folder, arrays)
    chosen = chosen_episodes(_OWNER, folder.path, len(all_lengths), episodes)
    lengths = all_lengths[chosen]
    rows = spans_of(offsets[chosen], offsets[chosen] + lengths)
    actions = arrays.pop("action", None)
    if actions is None or len(actions.shape) not in (1, 2) or actions.shape[:1] != (all_lengths.sum(),):
        raise DataError(
            rule(folder.path, f"an action for each of its {all_lengths.sum()} rows in action.npz"),
            f"it is {describe(actions)}",
            "Write the data set again",
        )
    known = folder.names(folders=True)
    columns: dict[str, Any] = {
        new: _camera(folder, name, chosen, lengths)
        for name, new in chosen_cameras(_OWNER, folder.path, known, cameras).items()
    }
    for name, array in arrays.items():
        if array is None or name in IGNORED_COLUMNS or name in columns:
            continue
        if array.shape[:1] != (all_lengths.sum(),):
            raise DataError(
                rule(folder.path, f"an entry for each of its {all_lengths.sum()} rows in {name}.npz"),
                f"it has shape {array.shape}",
                "Write the data set again",
            )
        columns[name] = array[rows]
    if REWARD in columns:
        columns[REWARD] = leaving_rewards(columns[REWARD], lengths)
    actions = action_rows(actions[rows])
    found = assembled(folder.path, columns, actions, lengths=lengths, fps=fps, environment_id=environment_id)
    warn_of_shift(folder.path, found)
    return found


def _spans(folder: DataFolder, arrays: dict[str, np.ndarray | None]) -> tuple[np.ndarray, np.ndarray]:
    found = []
    for name in (LENGTHS_FILE, _OFFSETS_FILE):
        array = arrays.pop(name.removesuffix(".npz"), None)
        if array is None or array.ndim != 1 or array.dtype.kind not in "iu" or len(array) == 0:
            raise DataError(
                rule(folder.path, f"one whole number an episode in {name}"),
                f"it is {describe(array)}",
                "Write the data set again",
            )
        found.append(array.astype(np.int64))
    lengths, offsets = found
    sound = len(lengths) == len(offsets) and lengths.min() >= 1 and lengths.max() < 2**40
    if not sound or not np.array_equal(offsets, np.cumsum(lengths) - lengths):
        raise DataError(
            rule(folder.path, "episodes of at least one row that follow one another"),
            f"{LENGTHS_FILE} and {_OFFSETS_FILE} begin {lengths[:3].tolist()} and {offsets[:3].tolist()}",
            "Write the data set again",
        )
    return lengths, offsets


def _camera(folder: DataFolder, name: str, chosen: np.ndarray, lengths: np.ndarray) -> LazyColumn:
    inner = folder.folder(name)
    spans = list(zip(chosen.tolist(), lengths.tolist(), strict=True))
    if inner.names(suffixes=(".mp4",)):
        clips = [Clip(inner.file(f"ep_{number}.mp4"), length, total=length) for number, length in spans]
        return VideoFrames(_OWNER, clips)
    there = set(inner.names(suffixes=IMAGE_SUFFIXES))
    files = []
    for number, length in spans:
        for step in range(length):
            stem = f"ep_{number}_step_{step}"
            file = next(
                (f"{stem}{end}" for end in (".jpeg", ".jpg", ".png") if f"{stem}{end}" in there), None
            )
            files.append(inner.file(file or f"{stem}.jpeg"))
    return ImageFiles(_OWNER, files)
