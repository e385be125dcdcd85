"""HDF5 files in which every episode is a group, as robomimic's and LIBERO's, or has a file of its own."""

import fnmatch
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..._checks import describe, plain_numbers
from ...errors import ConfigError, DataError
from .._arguments import chosen_episodes, named_columns, names_of, path_of
from .._episodes import Episodes
from .._hdf5_layout import EPISODE_COLUMNS, rule, shown
from .._lazy import LazyColumn
from .._readers._columns import action_rows, assembled, chosen_cameras, joined, short_name
from .._readers._folder import DataFolder, natural
from ._columns import is_channel_first
from ._file import DataFile, opened
from ._lazy import Hdf5Pictures
from ._stored import StoredColumn

_OWNER = "open_hdf5_groups"
HDF5_SUFFIXES = (".hdf5", ".h5")
_MOST_DEPTH = 3
_MOST_VALUES = 4096  # of a row of a column that is taken without being named
_REPEATED = ("next_obs",)
_USUAL = {
    "rewards": "reward",
    "states": "state",
    "dones": "done",
    "observations": "observation",
    "terminations": "terminated",
    "truncations": "truncated",
}


@plain_numbers
def open_hdf5_groups(
    path: str | os.PathLike[str],
    *,
    group: str = "data/*",
    actions: str = "actions",
    cameras: str | Sequence[str] | Mapping[str, str] | None = None,
    columns: Sequence[str] | Mapping[str, str] | None = None,
    episodes: slice | Sequence[int] | None = None,
    fps: float | None = None,
    environment_id: str | None = None,
) -> Episodes:
    """Open an HDF5 file that has a group for every episode, or a folder of files with one episode each.

    As they stand the options read robomimic's and LIBERO's files (`data/demo_0/actions`,
    `data/demo_0/obs/agentview_rgb`, ...). Say other names for other layouts; for a folder of files, as ALOHA
    records, `group=""`. Pictures stay on disk, numbers are read at once. Needs h5py (extra `train`).

    Row t holds frame t and the action taken there. Where an episode has one action fewer than frames, none
    leaves its last frame. LIBERO stores the pictures of its fixed camera upside down; they come as stored.

    Args:
        path: The file, or the folder of `.hdf5` and `.h5` files.
        group: Where the episodes are: a group and a pattern, "data/demo_*"; "" if a file is one episode.
        actions: Name of the actions in an episode.
        cameras: One camera by its name in an episode, which becomes `pixels`; several, by their last names;
            or a mapping to other names. All uint8 pictures unless given.
        columns: Names of further columns in an episode, or a mapping to the names that they get. Unless
            given, all small numbers that every episode has in one shape.
        episodes: Which episodes, as a slice or a list of places in the order of their numbers.
        fps: Frames a second; such files do not say.
        environment_id: Where the data comes from.

    Raises:
        DataError: There is no such file, no episode, or no such column in one; lengths do not agree; a value
            is not in the file itself, or it is damaged.
        ConfigError: A camera or an episode does not exist, or an argument is of another kind.
        MissingExtraError: h5py is not installed.

    Source:
        The layout of ARISE-Initiative/robomimic, docs/datasets/overview.

    Example:
        ```python
        import tempfile
        from pathlib import Path
        import h5py
        import numpy as np
        from leworld.data import open_hdf5_groups

        with tempfile.TemporaryDirectory() as folder:
            with h5py.File(Path(folder) / "demo.hdf5", "w") as file:
                for number in range(2):
                    file[f"data/demo_{number}/actions"] = np.ones((4, 2))
                    file[f"data/demo_{number}/obs/front"] = np.zeros((4, 8, 8, 3), np.uint8)
            episodes = open_hdf5_groups(Path(folder) / "demo.hdf5")
            assert episodes.lengths.tolist() == [4, 4] and episodes.pixels.shape == (8, 8, 8, 3)
        ```
    """
    if not isinstance(group, str) or not isinstance(actions, str):
        raise ConfigError(
            f"{_OWNER} needs `group` and `actions` to be names in the file",
            f"they are {describe(group)} and {describe(actions)}",
            'Pass for example "data/demo_*" and "actions"',
        )
    renamed = _renamed(columns)
    places = _places(_OWNER, path_of(_OWNER, path), group)
    chosen = chosen_episodes(_OWNER, Path(path), len(places), episodes)
    found = [
        read_group(_OWNER, *places[number], actions=actions, wanted=renamed) for number in chosen.tolist()
    ]
    return joined_groups(
        _OWNER, Path(path), found, cameras=cameras, columns=renamed, fps=fps, environment_id=environment_id
    )


class GroupEpisode:
    """One episode of a file: its actions, its other numbers in memory, and its pictures on disk."""

    def __init__(self, place: str, actions: np.ndarray, films: dict[str, LazyColumn]) -> None:
        self.place, self.actions, self.films = place, actions, films
        self.numbers: dict[str, np.ndarray] = {}
        self.rows = len(next(iter(films.values()))) if films else len(actions)


def joined_groups(
    owner: str,
    path: Path,
    found: Sequence[GroupEpisode],
    *,
    cameras: Any,
    columns: Mapping[str, str] | None,
    **facts: Any,
) -> Episodes:
    """Return the episodes that were read, with the columns that were named or that all of them have."""
    known = [name for name in found[0].films if all(name in episode.films for episode in found)]
    named = chosen_cameras(owner, path, known, cameras)
    parts: dict[str, Any] = {
        new: joined(path, name, [episode.films[name] for episode in found]) for name, new in named.items()
    }
    numbers = columns
    if numbers is None:
        numbers = {
            name: _USUAL.get(name, short_name(name)) for name in found[0].numbers if _alike(found, name)
        }
    for name, new in numbers.items():
        new = new if new not in parts else short_name(name.replace("/", "_"))
        parts[new] = joined(path, name, [episode.numbers[name] for episode in found])
    lengths = np.array([episode.rows for episode in found])
    return assembled(path, parts, np.concatenate([one.actions for one in found]), lengths=lengths, **facts)


def _alike(found: Sequence[GroupEpisode], name: str) -> bool:
    kinds = {
        (episode.numbers[name].shape[1:], episode.numbers[name].dtype) if name in episode.numbers else None
        for episode in found
    }
    return len(kinds) == 1 and None not in kinds


def _renamed(columns: object) -> dict[str, str] | None:
    if columns is None:
        return None
    if isinstance(columns, Mapping):
        return {name: str(new) for name, new in named_columns(_OWNER, "columns", columns).items()}
    return {
        name: _USUAL.get(name, short_name(name.rpartition("/")[2]))
        for name in names_of(_OWNER, "columns", columns)
    }


def _places(owner: str, path: Path, group: str) -> list[tuple[Path, str]]:
    """Return file and group of every episode, in the order of their numbers."""
    files = [path]
    if path.is_dir():
        folder = DataFolder(path)
        files = [folder.file(name) for name in sorted(folder.names(suffixes=HDF5_SUFFIXES), key=natural)]
    found = [(file, place) for file in files for place in groups_in(owner, file, group)]
    if not found:
        raise DataError(
            rule(path, f"episodes at `{group}`"),
            "there are none" if files else "the folder has no .hdf5 or .h5 file",
            "Say where they are with `group=`",
        )
    return found


def groups_in(owner: str, file: Path, pattern: str) -> list[str]:
    """Return the groups of a file that a pattern names, in the order of their numbers."""
    if not pattern.strip("/"):
        return [""]
    above, _, last = pattern.strip("/").rpartition("/")
    with opened(file, owner=owner) as data:
        names = data.names
        for count, _ in enumerate(above.split("/") if above else (), start=1):
            inner = "/".join(above.split("/")[:count])
            there = inner.rpartition("/")[2] in names
            names = (data.members(inner) if there else None) or ()
        return [
            f"{above}/{name}".strip("/")
            for name in sorted(names, key=natural)
            if fnmatch.fnmatchcase(name, last) and data.members(f"{above}/{name}".strip("/")) is not None
        ]


def read_group(
    owner: str, file: Path, place: str, *, actions: str, wanted: Mapping[str, str] | None
) -> GroupEpisode:
    """Read one episode: every numeric column if none are named, and every camera."""
    with opened(file, owner=owner) as data:
        if not place and set(EPISODE_COLUMNS) <= set(data.names):
            raise DataError(
                rule(file, "one episode"),
                "it has many, in stable-worldmodel's layout",
                "Open each such file with `open_hdf5`; `write_store` takes a list of them",
            )
        columns = dict(_datasets(data, place, 0))
        missing = [name for name in (actions, *(wanted or ())) if name not in columns]
        if missing:
            raise DataError(
                rule(file, f"`{shown(missing[0])}` in its episode `{shown(place)}`"),
                f"that has {', '.join(f'`{shown(name)}`' for name in sorted(columns)[:20]) or 'nothing'}",
                "Say the names of this layout in `actions` and `columns`",
            )
        films: dict[str, LazyColumn] = {}
        for name, column in columns.items():
            if _is_film(column):
                film = Hdf5Pictures(file, column, channel_first=is_channel_first(file, column))
                column.check([(0, len(film))])
                films[name] = film
        episode = GroupEpisode(place, _actions(file, columns[actions]), films)
        counts = {columns[name].shape[:1] for name in (columns if wanted is None else wanted)}
        if not films and (episode.rows + 1,) in counts:
            episode.rows += 1  # no action leaves the last row
        if wanted is None:
            usual = [name for name, column in columns.items() if _is_usual(column, episode)]
            names = [name for name in usual if name != actions]
        else:
            names = list(wanted)
        for name in names:
            episode.numbers[name] = _numbers(file, columns[name])
    _fit(file, episode)
    return episode


def _datasets(data: DataFile, place: str, depth: int) -> list[tuple[str, StoredColumn]]:
    """Return the datasets of a group and of those in it, by their names in it."""
    found = []
    for name in data.members(place) or ():
        inner = f"{place}/{name}".strip("/")
        if name in _REPEATED:
            continue
        if data.members(inner) is None:
            found.append((name, data.column(inner)))
        elif depth < _MOST_DEPTH:
            found += [(f"{name}/{below}", column) for below, column in _datasets(data, inner, depth + 1)]
    return found


def _is_film(column: StoredColumn) -> bool:
    shape = column.shape
    return column.is_numbers and column.dtype == np.uint8 and len(shape) == 4 and 3 in (shape[3], shape[1])


def _is_usual(column: StoredColumn, episode: GroupEpisode) -> bool:
    """Whether a column is taken without being named: small numbers, one entry a frame or an action."""
    shape = column.shape
    small = column.is_numbers and 1 <= len(shape) <= 3 and math.prod(shape[1:]) <= _MOST_VALUES
    lengths = {episode.rows}
    if small and np.dtype(column.dtype).kind in "fb":  # which have a value for the row without
        lengths.add(len(episode.actions))
    return small and shape[0] in lengths


def _numbers(file: Path, column: StoredColumn) -> np.ndarray:
    if not column.is_numbers or not column.shape:
        raise DataError(
            rule(file, f"numbers in `{column.label}`"), f"it is {column.told}", "Leave it out of `columns`"
        )
    return column.read([(0, column.shape[0])])


def _actions(file: Path, column: StoredColumn) -> np.ndarray:
    """Return the actions of an episode as float32 (row, action)."""
    if not column.is_numbers or len(column.shape) not in (1, 2) or 0 in column.shape:
        raise DataError(
            rule(file, f"vectors of numbers in `{column.label}`"),
            f"it is {column.told}",
            "Name the actions with `actions=`",
        )
    return action_rows(column.read([(0, column.shape[0])]))


def _fit(file: Path, episode: GroupEpisode) -> None:
    """Give every row an action, or say that the lengths of an episode do not agree."""
    rows, place = episode.rows, shown(episode.place) or "the file"
    if len(episode.actions) == rows - 1:
        none = np.full((1, episode.actions.shape[1]), np.nan, np.float32)
        episode.actions = np.concatenate([episode.actions, none])
    for name, column in episode.numbers.items():
        if len(column) == rows - 1 and column.dtype.kind == "f":  # of the actions
            none = np.full((1, *column.shape[1:]), np.nan, column.dtype)
            episode.numbers[name] = np.concatenate([column, none])
        elif len(column) == rows - 1 and column.dtype.kind == "b":  # of the frames that these lead to
            episode.numbers[name] = np.concatenate([np.zeros((1, *column.shape[1:]), bool), column])
    counts = {name: len(column) for name, column in {**episode.films, **episode.numbers}.items()}
    counts["actions"] = len(episode.actions)
    wrong = [name for name, count in counts.items() if count != rows]
    if wrong:
        raise DataError(
            rule(file, f"an entry for each of the {rows} rows of `{place}`"),
            f"`{shown(wrong[0])}` has {counts[wrong[0]]}",
            "The recording may have been interrupted: choose other `episodes`, `cameras` or `columns`",
        )
