"""Opening a LeRobot data set as `Episodes`."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from ..._checks import check_choice, check_number, nearest, plain_numbers
from ...errors import ConfigError, DataError
from .._arguments import chosen_episodes, path_of
from .._episodes import Episodes
from .._hdf5_layout import shown
from .._readers._columns import PIXELS, action_rows, assembled, chosen_cameras, short_name, spans_of
from .._readers._folder import DataFolder, rule
from .._readers._parquet import ParquetTable, stacked
from ._meta import Info, read_info
from ._pictures import TablePictures, check_places, check_stamps, video_frames

_OWNER = "open_lerobot"
# Follow from the lengths, or from `fps`.
_INDEX = ("timestamp", "frame_index", "episode_index", "index")
# Names that mean something else elsewhere in the room.
_USUAL = {"observation.state": "proprio", "next.done": "done"}


@plain_numbers
def open_lerobot(
    path: str | os.PathLike[str],
    *,
    cameras: str | Sequence[str] | Mapping[str, str] | None = None,
    action: str = "action",
    episodes: slice | Sequence[int] | None = None,
    frames: Literal["time", "number"] = "time",
    tolerance: float = 1e-4,
) -> Episodes:
    """Open a LeRobot data set, version 3.0, 2.1 or 2.0, with its pictures left on disk.

    Tables are read at once, a few bytes a row; frames are decoded when they are asked for, each exactly the
    one whose time in the video is that of its row, however deep in a file of many episodes it lies. Decoding
    is slow in random order: write the data once with `write_store` (`leworld pack`) and train on that. Needs
    pyarrow and PyAV (extra `robots`).

    Row t holds observation t and the action that was commanded there. One camera becomes `pixels`; several
    are columns by their short names ("top" of "observation.images.top"). "observation.state" becomes
    `proprio`, everything else numeric keeps its last name ("next.reward" becomes `reward`). Tasks in words
    are `Episodes.task_texts`; other texts are left out.

    Args:
        path: The folder that holds `meta`, `data` and `videos`.
        cameras: One camera, which becomes `pixels`; several; or a mapping to other names, {"top": "pixels"}.
            All unless given.
        action: Name of the column that is the action.
        episodes: Which episodes, as a slice or a list of places; only their files are looked at.
        frames: How the frame of a row is found: by its time in the video, or, where times are wrong, by
            counting: a file must then hold exactly the frames of its episodes, in order.
        tolerance: Seconds that a frame may be away from its row's time, below half a frame.

    Raises:
        DataError: The folder is no LeRobot data set or of another version, a file is missing or damaged,
            counts disagree, stamps are of a clock on the wall, episodes overlap in a video, or, when rows are
            read, no frame is where the row's time says.
        ConfigError: There is no such camera, action or episode, or an option is out of range.
        MissingExtraError: pyarrow or PyAV is not installed.

    Source:
        The formats of huggingface/lerobot, src/lerobot/datasets. Written anew: lerobot itself refuses v2.1.

    Example:
        ```python
        from leworld.data import open_lerobot
        from leworld.errors import DataError

        try:
            episodes = open_lerobot("no/such/folder", cameras="top")
        except DataError as error:
            assert "folder" in str(error)
        ```
    """
    check_choice(_OWNER, "frames", frames, ("time", "number"))
    folder = DataFolder(path_of(_OWNER, path))
    info = read_info(_OWNER, folder)
    check_number(_OWNER, "tolerance", tolerance, low=0.0)
    if tolerance >= 0.5 / info.fps:
        raise ConfigError(
            f"{_OWNER} needs a `tolerance` below half a frame, {0.5 / info.fps:.4g} s at {info.fps:g} fps",
            f"it is {tolerance:g} s, at which a row may get its neighbour's frame",
            "Pass frames='number' where times are that wrong",
        )
    known = [name for name, feature in info.features.items() if feature.is_camera]
    named = chosen_cameras(_OWNER, folder.path, known, cameras)
    _check_action(info, action)
    chosen = chosen_episodes(_OWNER, folder.path, len(info.lengths), episodes)
    tables, files, order = _tables(folder, info, chosen, action)
    lengths = info.lengths[chosen]
    columns = _columns(folder, info, tables, action, set(named.values()))
    for camera, name in named.items():
        if info.features[camera].dtype == "image":
            columns[name] = TablePictures(_OWNER, files, camera, order)
            continue
        stamps = None
        if frames == "time":
            stamps = tables["timestamp"].reshape(-1).astype(np.float64)
            check_stamps(folder.path, stamps, lengths)
            check_places(folder.path, camera, info.videos[camera], info.lengths, info.fps)
        columns[name] = video_frames(
            _OWNER, folder, info, camera, chosen=chosen, stamps=stamps, tolerance=tolerance
        )
    texts = [info.task_texts[number] for number in chosen]
    actions = action_rows(tables[action])
    return assembled(folder.path, columns, actions, lengths=lengths, fps=info.fps, task_texts=texts)


def _check_action(info: Info, action: str) -> None:
    if action not in info.features or info.features[action].is_camera:
        raise ConfigError(
            f"{_OWNER} needs `action` to name a column of numbers",
            f"`{shown(str(action))}` is none",
            nearest(str(action), [name for name, one in info.features.items() if not one.is_camera]),
        )


def _tables(
    folder: DataFolder, info: Info, chosen: np.ndarray, action: str
) -> tuple[dict[str, np.ndarray], list[Any], np.ndarray]:
    """Return the columns of the chosen episodes, the files they came from, and their rows' places there."""
    names: list[str] = list(dict.fromkeys(info.tables[int(number)] for number in chosen))
    paths = [folder.file(name) for name in names]
    parts: dict[str, list[np.ndarray]] = {}
    for path in paths:
        table = ParquetTable(_OWNER, path)
        wanted = [name for name in table.names if name in info.features and table.is_numbers(name)]
        missing = [name for name in ("episode_index", "frame_index", "timestamp") if name not in wanted]
        if missing:
            raise DataError(
                rule(path, f"a column of numbers `{missing[0]}`"),
                f"its columns are {', '.join(f'`{shown(name)}`' for name in table.names[:20])}",
                "Fetch or write the data set again",
            )
        for name in wanted:
            parts.setdefault(name, []).append(table.numbers(name))
    columns = {name: stacked(folder.path, name, found) for name, found in parts.items()}
    numbers, lengths = info.numbers[chosen], info.lengths[chosen]
    episode = columns["episode_index"].reshape(-1)
    rows = np.lexsort((columns["frame_index"].reshape(-1), episode))
    starts = np.searchsorted(episode[rows], numbers, side="left")
    ends = np.searchsorted(episode[rows], numbers, side="right")
    wrong = np.flatnonzero(ends - starts != lengths)
    if wrong.size:
        first = int(wrong[0])
        raise DataError(
            rule(
                folder.path,
                f"{lengths[first]} rows for episode {numbers[first]} in {info.tables[chosen[first]]}",
            ),
            f"the table has {ends[first] - starts[first]}",
            "The recording or the download was interrupted: fetch it again, or choose other `episodes`",
        )
    order = rows[spans_of(starts, ends)]
    due = spans_of(0 * lengths, lengths)
    if not np.array_equal(columns["frame_index"].reshape(-1)[order], due):
        raise DataError(
            rule(folder.path, "`frame_index` from 0 on, without gaps, in every episode"),
            "it has others",
            "Fetch or record the data set again",
        )
    whole = {name: column[order] for name, column in columns.items() if len(column) == len(rows)}
    for name in ("timestamp", action):
        if name not in whole:
            raise DataError(
                rule(folder.path, f"a column of numbers `{shown(name)}` in every table"),
                "some have none",
                "Fetch or record the data set again",
            )
    return whole, paths, order


def _columns(
    folder: DataFolder, info: Info, tables: Mapping[str, np.ndarray], action: str, taken: set[str]
) -> dict[str, Any]:
    """Return the numeric columns beside the action, by their short names."""
    found: dict[str, Any] = {}
    for name, column in tables.items():
        feature = info.features[name]
        if name in _INDEX or name == action:
            continue
        due = feature.shape if feature.shape != (1,) or column.ndim > 1 else ()
        if column.shape[1:] not in (due, feature.shape):
            raise DataError(
                rule(
                    folder.path, f"rows of shape {feature.shape} in `{shown(name)}`, as meta/info.json says"
                ),
                f"they have {column.shape[1:]}",
                "Fetch or write the data set again",
            )
        short = _USUAL.get(name, short_name(name))
        if short in found or short in taken or short == PIXELS:
            short = short_name(f"_{name}").strip("_")
        found[short] = column
    return found
