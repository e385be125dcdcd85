"""Minari's data sets: one HDF5 group an episode, with one observation more than actions."""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..._checks import describe, plain_numbers
from ...errors import DataError
from .._arguments import chosen_episodes, path_of
from .._episodes import Episodes
from .._hdf5._groups import groups_in, joined_groups, read_group
from .._trajectories import one_hot
from ._folder import DataFolder, rule

_OWNER = "open_minari"
MAIN_FILE = "main_data.hdf5"
_MOST_CHOICES = 10**5


@plain_numbers
def open_minari(
    path: str | os.PathLike[str],
    *,
    cameras: str | Sequence[str] | Mapping[str, str] | None = None,
    episodes: slice | Sequence[int] | None = None,
    fps: float | None = None,
) -> Episodes:
    """Open a data set of Minari, with pictures among its observations left on disk.

    An episode of T actions has T + 1 observations here, so that the action of its last row is NaN, and so is
    its reward. Vectors become `observation`, or columns by the names of a dictionary of observations;
    `terminated` and `truncated` say in which frame an episode ended. Discrete actions become one-hot. Needs
    h5py (extra `train`).

    Args:
        path: The folder of the data set, "~/.minari/datasets/pointmaze/umaze-v2" for example, or its folder
            `data`.
        cameras: One array of pictures, which becomes `pixels`; several; or a mapping to other names. All
            unless given.
        episodes: Which episodes, as a slice or a list of numbers.
        fps: Frames a second; Minari does not say.

    Raises:
        DataError: There is no such data set, it is stored in another form than HDF5, an episode lies in
            another file, lengths do not agree, or it is damaged.
        ConfigError: A camera or an episode does not exist.
        MissingExtraError: h5py is not installed.

    Source:
        Farama-Foundation/Minari, its page on dataset standards.

    Example:
        ```python
        import tempfile
        from pathlib import Path
        import h5py
        import numpy as np
        from leworld.data import open_minari

        with tempfile.TemporaryDirectory() as folder:
            with h5py.File(Path(folder) / "main_data.hdf5", "w") as file:
                file["episode_0/observations"] = np.ones((5, 3))
                file["episode_0/actions"] = np.ones((4, 2))
            episodes = open_minari(folder)
            assert episodes.lengths.tolist() == [5] and np.isnan(episodes.actions[4]).all()
        ```
    """
    folder = DataFolder(path_of(_OWNER, path))
    if MAIN_FILE not in folder and "data" in folder:
        folder = folder.folder("data")
    file = folder.file(MAIN_FILE)
    facts, choices = _metadata(folder)
    places = groups_in(_OWNER, file, "episode_*")
    if not places:
        raise DataError(
            rule(file, "a group `episode_0` and so on"), "there is none", "Fetch the data set again"
        )
    chosen = chosen_episodes(_OWNER, folder.path, len(places), episodes)
    found = [read_group(_OWNER, file, places[n], actions="actions", wanted=None) for n in chosen.tolist()]
    if choices is not None:
        for episode in found:
            episode.actions = _one_hot(episode.actions, *choices)
        facts["action_choices"] = choices[1]
    return joined_groups(_OWNER, folder.path, found, cameras=cameras, columns=None, fps=fps, **facts)


def is_minari(folder: DataFolder) -> bool:
    """Whether a folder is Minari's."""
    return MAIN_FILE in folder or f"data/{MAIN_FILE}" in folder


def _one_hot(actions: np.ndarray, start: int, count: int) -> np.ndarray:
    known = np.isfinite(actions[:, 0])
    found = np.full((len(actions), count), np.nan, np.float32)
    found[known] = one_hot(_OWNER, actions[known, 0].astype(np.int64) - start, count)
    return found


def _metadata(folder: DataFolder) -> tuple[dict[str, Any], tuple[int, int] | None]:
    """Return the environment, and the first and the number of the choices where the action is one."""
    if "metadata.json" not in folder:
        return {}, None
    content = folder.json("metadata.json")
    if content.get("data_format", "hdf5") != "hdf5":
        raise DataError(
            rule(folder.path, "Minari's data format `hdf5`"),
            f"it is {describe(content['data_format'])}",
            "Write it again with data_format='hdf5'",
        )
    environment = _json(content.get("env_spec")).get("id")
    space = _json(content.get("action_space"))
    count, start = space.get("n"), space.get("start", 0)
    choices = None
    if space.get("type") == "Discrete" and isinstance(count, int) and isinstance(start, int):
        choices = (start, count) if 2 <= count <= _MOST_CHOICES and abs(start) < 2**31 else None
    return ({"environment_id": environment} if isinstance(environment, str) else {}), choices


def _json(text: object) -> dict[str, Any]:
    """Return the object that a text of a JSON file holds, an empty one where it is none."""
    try:
        content = json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        content = None
    return content if isinstance(content, dict) else {}
