"""Folders of videos or pictures, with tables of actions in CSV or parquet."""

import csv
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ..._checks import describe, nearest, plain_numbers
from ...errors import ConfigError, DataError
from .._arguments import names_of, path_of
from .._episodes import Episodes
from .._hdf5_layout import shown
from .._lazy import LazyColumn
from ._columns import PIXELS, action_rows, assembled, joined, short_name
from ._folder import DataFolder, natural, reading, rule
from ._images import IMAGE_SUFFIXES, ImageFiles
from ._parquet import ParquetTable
from ._video import VIDEO_SUFFIXES, Clip, VideoFrames, frame_count, frame_rate

_OWNER = "open_recordings"
TABLE_SUFFIXES = (".csv", ".parquet")
_EPISODE = "episode"
_ACTION = re.compile(r"actions?([._\W]?\w+)?", re.IGNORECASE)
_MOST_TABLE = 2**30
Table: TypeAlias = dict[str, np.ndarray]  # columns (row,), texts where they are no numbers


@plain_numbers
def open_recordings(
    path: str | os.PathLike[str],
    *,
    actions: str | Sequence[str] | None = None,
    table: str | None = None,
    fps: float | None = None,
    environment_id: str | None = None,
) -> Episodes:
    r"""Open a folder of recordings: one video, or one folder of pictures, an episode, and tables of actions.

    Beside `a.mp4`, or the folder `a` of PNG or JPEG files, lies `a.csv` or `a.parquet` with a row for every
    frame, or for every frame but the last. Or one table has the rows of all episodes, with a column
    `episode` that holds their names. Episodes and pictures come in the order of the numbers in their names;
    a further column of numbers becomes a column. Frames are decoded when they are asked for. Needs PyAV for
    videos, pillow for pictures and pyarrow for parquet (extra `robots`).

    Row t of a table belongs to frame t: the action that was taken there.

    Args:
        path: The folder.
        actions: Names of the table's columns that make up the action; unless given, all whose names begin
            with "action".
        table: Name of the one table of all episodes; unless given, the only one that is called as no
            episode is.
        fps: Frames a second; of videos, what the first one says unless given.
        environment_id: Where the data comes from.

    Raises:
        DataError: There are no recordings or no tables, frames and rows do not agree in number, pictures
            differ in size, or a file is damaged or a link out of the folder.
        ConfigError: There is no such column, or an argument is of another kind.
        MissingExtraError: A library is not installed.

    Example:
        ```python
        import tempfile
        from pathlib import Path
        from PIL import Image
        from leworld.data import open_recordings

        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "monday"
            place.mkdir()
            for number in range(3):
                Image.new("RGB", (8, 8)).save(place / f"{number}.png")
            (Path(folder) / "monday.csv").write_text("action_x,action_y,force\n0,1,5\n1,0,6\n")
            episodes = open_recordings(folder, fps=10)
            assert episodes.pixels.shape == (3, 8, 8, 3) and episodes.actions[1].tolist() == [1, 0]
        ```
    """
    if not isinstance(table, str | None):
        raise ConfigError(f"{_OWNER} needs `table` to be a name", f"it is {describe(table)}", "Pass a text")
    wanted = None if actions is None else names_of(_OWNER, "actions", actions)
    folder = DataFolder(path_of(_OWNER, path))
    videos = folder.names(suffixes=VIDEO_SUFFIXES)
    names = sorted(videos or folder.names(folders=True), key=natural)
    if not names:
        raise DataError(
            rule(folder.path, "videos, or folders of pictures, one an episode"),
            "there are none",
            f"Name videos by {', '.join(VIDEO_SUFFIXES)}; put the pictures of an episode into a folder",
        )
    stems = [Path(name).stem if videos else name for name in names]
    tables = _tables(folder, stems, table)
    wanted = _action_names(folder, stems, tables) if wanted is None else wanted
    films, lengths = _films(folder, names, is_video=bool(videos))
    if fps is None and videos:
        fps = frame_rate(_OWNER, folder.file(names[0]))
    parts = [
        _columns(folder, stem, rows, int(count), wanted)
        for stem, rows, count in zip(stems, tables, lengths, strict=True)
    ]
    columns = {
        name: joined(folder.path, name, [part[name] for part in parts])
        for name in parts[0]
        if all(name in part for part in parts)
    }
    commands = np.asarray(columns.pop("action"))
    return assembled(
        folder.path,
        {**columns, PIXELS: films},
        action_rows(commands),
        lengths=lengths,
        fps=fps,
        environment_id=environment_id,
    )


def is_recordings(folder: DataFolder) -> bool:
    """Whether a folder holds recordings and tables."""
    there = folder.names(suffixes=TABLE_SUFFIXES)
    return bool(there) and bool(folder.names(suffixes=VIDEO_SUFFIXES) or folder.names(folders=True))


def _films(folder: DataFolder, names: Sequence[str], *, is_video: bool) -> tuple[Any, np.ndarray]:
    """Return the pictures of all episodes as one column, and how many each has."""
    if is_video:
        files = [folder.file(name) for name in names]
        counts = [frame_count(_OWNER, file) for file in files]
        clips = [Clip(file, count, total=count) for file, count in zip(files, counts, strict=True)]
        return VideoFrames(_OWNER, clips), np.array(counts)
    films: list[LazyColumn] = []
    for name in names:
        inner = folder.folder(name)
        pictures = sorted(inner.names(suffixes=IMAGE_SUFFIXES), key=natural)
        if not pictures:
            raise DataError(
                rule(folder.path, f"PNG or JPEG pictures in its folder {shown(name)}"),
                "there are none",
                "Move folders that are no episodes elsewhere",
            )
        films.append(ImageFiles(_OWNER, [inner.file(picture) for picture in pictures]))
    return joined(folder.path, PIXELS, films), np.array([len(film) for film in films])


def _tables(folder: DataFolder, stems: Sequence[str], table: str | None) -> list[Table]:
    """Return the rows of each episode."""
    there = folder.names(suffixes=TABLE_SUFFIXES)
    own = {Path(name).stem: name for name in there}
    others = [name for name in there if Path(name).stem not in stems]
    if table is None and all(stem in own for stem in stems):
        return [_table(folder, own[stem]) for stem in stems]
    if table is None and len(others) != 1:
        missing = next(stem for stem in stems if stem not in own)
        raise DataError(
            rule(folder.path, f"a table {shown(missing)}.csv or .parquet, or one table of all episodes"),
            f"its tables are {', '.join(shown(name) for name in there[:10]) or 'none'}",
            "Write one row of actions for every frame; name the one table with `table=`",
        )
    whole = _table(folder, others[0] if table is None else table)
    if _EPISODE not in whole:
        raise DataError(
            rule(folder.path, f"a column `{_EPISODE}` in the table of all episodes"),
            f"its columns are {', '.join(shown(name) for name in list(whole)[:20])}",
            "Write the name of the video or folder into every row",
        )
    labels = [_label(value) for value in whole.pop(_EPISODE).tolist()]
    known = {name: stem for stem in reversed(stems) for name in (stem, _label(stem))}
    strange = [label for label in labels if label not in known]
    if strange:
        raise DataError(
            rule(folder.path, f"names of its recordings in the column `{_EPISODE}`"),
            f"there is no recording {shown(strange[0])}",
            nearest(strange[0], stems),
        )
    place = np.array([known[label] for label in labels])
    return [{name: column[place == stem] for name, column in whole.items()} for stem in stems]


def _label(value: object) -> str:
    """Return the name of an episode; of a number, the one without zeros before it."""
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    text = Path(text).stem if text.lower().endswith(VIDEO_SUFFIXES) else text
    return str(int(text)) if text.isdecimal() and len(text) < 19 else text


def _table(folder: DataFolder, name: str) -> Table:
    path = folder.file(name)
    if path.suffix.lower() == ".parquet":
        parquet = ParquetTable(_OWNER, path)
        numbers = [one for one in parquet.names if parquet.is_numbers(one)]
        found = {one: parquet.numbers(one) for one in numbers}
        if _EPISODE in parquet.names and _EPISODE not in found:
            found[_EPISODE] = np.array([str(value) for value in parquet.raw(_EPISODE).to_pylist()])
        return found
    raw = folder.text(name, limit=_MOST_TABLE)
    with reading(path, "to be a readable CSV file"):
        lines = list(csv.reader(raw.decode("utf-8-sig").splitlines()))
    if not lines or len(set(lines[0])) < len(lines[0]) or any(len(line) != len(lines[0]) for line in lines):
        raise DataError(
            rule(path, "a first line of names that differ, and as many values in every other"),
            "it is empty, repeats a name or has lines of other lengths",
            "Write it again, with commas between the values",
        )
    texts = np.array(lines[1:], object).reshape(len(lines) - 1, len(lines[0]))
    return {name: _numbers(texts[:, place]) for place, name in enumerate(lines[0])}


def _numbers(texts: np.ndarray) -> np.ndarray:
    """Return numbers, with NaN for empty cells, or texts where no or not every other cell is one."""
    cells = np.array([cell.strip() for cell in texts.tolist()], object)
    if not (cells != "").any():
        return texts.astype(str)
    try:
        return np.where(cells == "", "nan", cells).astype(np.float64)
    except ValueError:
        return texts.astype(str)


def _action_names(folder: DataFolder, stems: Sequence[str], tables: Sequence[Table]) -> list[str]:
    """Return the columns whose names begin with "action", in the order of the first table."""
    found: list[list[str]] = []
    for stem, rows in zip(stems, tables, strict=True):
        named = {name: column for name, column in rows.items() if _ACTION.fullmatch(name)}
        for name, column in named.items():
            if column.dtype.kind not in "biuf" and any(map(_is_number, column.tolist())):
                bad = next(place for place, cell in enumerate(column.tolist()) if not _is_number(cell))
                raise DataError(
                    rule(folder.path, f"a number in every row of `{shown(name)}` of {shown(stem)}"),
                    f"row {bad} holds {shown(repr(str(column[bad]))[:50])}",
                    "Write the number, or name the columns of the action with `actions=`",
                )
        found.append([name for name, column in named.items() if column.dtype.kind in "biuf"])
    for stem, names in zip(stems, found, strict=True):
        if set(names) != set(found[0]):
            raise DataError(
                rule(folder.path, "columns of actions by the same names in every table"),
                f"{shown(stems[0])} has {_listed(found[0])} and {shown(stem)} has {_listed(names)}",
                "Rename them, or name the columns of the action with `actions=`",
            )
    return found[0]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{shown(name)}`" for name in names[:10]) or "none"


def _is_number(cell: object) -> bool:
    try:
        float(str(cell))
    except ValueError:
        return False
    return True


def _columns(
    folder: DataFolder, stem: str, rows: Table, count: int, names: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return action and further columns of an episode, one entry a frame."""
    numeric = {name: column for name, column in rows.items() if column.dtype.kind in "biuf"}
    strange = [name for name in names if name not in numeric]
    if strange or not names:
        raise ConfigError(
            f"{_OWNER} needs `actions` to name columns of numbers of the tables of {folder.path}",
            f"`{shown(strange[0])}` is none" if strange else "no column's name begins with `action`",
            nearest(strange[0] if strange else "action", list(numeric)),
        )
    found = {"action": np.concatenate([action_rows(numeric[name]) for name in names], axis=1)}
    found |= {short_name(name): column for name, column in numeric.items() if name not in names}
    for name, column in found.items():
        if len(column) == count - 1:
            none = np.full((1, *column.shape[1:]), np.nan)
            found[name] = np.concatenate([column.astype(np.float64), none])
        elif len(column) != count:
            raise DataError(
                rule(folder.path, f"a row of actions for each of the {count} frames of {shown(stem)}"),
                f"its table has {len(column)} rows",
                "Leave out what was recorded before or after the frames; one row fewer is well, too",
            )
    return found
