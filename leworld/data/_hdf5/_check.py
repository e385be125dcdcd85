"""Whether an HDF5 file has the columns of the layout, with episodes that cover its rows."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..._checks import describe, nearest, quoted
from ...errors import DataError
from .._hdf5_layout import (
    CHOICES_ATTRIBUTE,
    COLUMNS_ATTRIBUTE,
    EPISODE_COLUMNS,
    FPS_ATTRIBUTE,
    LOADED_COLUMNS,
    RESERVED_COLUMNS,
    ROW_COLUMNS,
    TEXTS_ATTRIBUTE,
    is_known,
    rule,
    shown,
)
from .._task_texts import texts_from_json
from ._file import DataFile
from ._stored import StoredColumn

_MAX_LISTED = 20


def own_columns(file: DataFile) -> tuple[str, ...] | None:
    """Return the columns that `write_hdf5` listed in the file, or None if another program wrote it."""
    listed = file.attribute(COLUMNS_ATTRIBUTE)
    if listed is None:
        return None
    names = _parsed(listed)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _wrong(file.path, COLUMNS_ATTRIBUTE, "a JSON list of names", listed)
    if len(set(names)) < len(names) or set(names) & set(RESERVED_COLUMNS):
        raise _wrong(file.path, COLUMNS_ATTRIBUTE, "names of further columns, each once", listed)
    return tuple(names)


def rate_and_choices(file: DataFile) -> tuple[float | None, int | None]:
    """Return the frame rate and the number of choices that the file names, None where it does not."""
    fps, choices = file.attribute(FPS_ATTRIBUTE), file.attribute(CHOICES_ATTRIBUTE)
    if fps is not None and (isinstance(fps, str) or not 0 < fps < np.inf):
        raise _wrong(file.path, FPS_ATTRIBUTE, "a number above 0", fps)
    if choices is not None and (isinstance(choices, str) or choices % 1 != 0 or not 2 <= choices < 2**31):
        raise _wrong(file.path, CHOICES_ATTRIBUTE, "a whole number of at least 2", choices)
    return (None if fps is None else float(fps)), (None if choices is None else int(choices))


def task_texts(file: DataFile, count: int) -> list[str | None] | None:
    """Return what `write_hdf5` noted of the tasks of all `count` episodes, None where it noted nothing."""
    listed = file.attribute(TEXTS_ATTRIBUTE)
    if listed is None:
        return None
    texts = texts_from_json(_parsed(listed), count)
    if texts is None:
        raise _wrong(file.path, TEXTS_ATTRIBUTE, f"the texts of {count} episodes as JSON", listed)
    return texts


def _parsed(value: object) -> object:
    """Return the JSON values of a text; what is none comes as it is."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return value


def _wrong(path: Path, name: str, due: str, value: object) -> DataError:
    return DataError(
        rule(path, f"{due} in its attribute `{name}`"),
        f"it is {describe(shown(value) if isinstance(value, str) else value)}",
        "Write the attribute again, or delete it",
    )


def checked_columns(
    file: DataFile, own: tuple[str, ...] | None, extra: Sequence[str]
) -> Mapping[str, StoredColumn]:
    """Return all columns of the file, which are those of the layout and have as many rows as one another."""
    path, listed = file.path, (*(own or ()), *extra)
    # Only write_hdf5 makes files without frames, and it leaves this attribute.
    due = ROW_COLUMNS if own is None else ("action",)
    missing = [name for name in (*due, *EPISODE_COLUMNS, *listed) if name not in file.names]
    if missing:
        names = [shown(name) for name in file.names]
        more = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
        raise DataError(
            rule(path, f"a column `{shown(missing[0])}`"),
            f"its columns are {quoted(names[:_MAX_LISTED]) or 'none'}{more}",
            "Write it in stable-worldmodel's layout, as write_hdf5 does",
        )
    columns = {}
    for name in file.names:
        columns[name] = file.column(name)
        if not is_known(name) and name not in listed:
            raise DataError(
                rule(path, "columns of stable-worldmodel's layout only"),
                f"`{shown(name)}` is unknown",
                f"Pass extra_columns=[{shown(name)!r}] to load it. "
                + nearest(name[:60], (*ROW_COLUMNS, *EPISODE_COLUMNS, *LOADED_COLUMNS)),
            )
    counted = counted_column(columns)
    rows = num_rows(columns)
    for name, column in columns.items():
        if name not in EPISODE_COLUMNS and (not column.shape or column.shape[0] != rows):
            raise DataError(
                rule(path, "one entry a row in every column"),
                f"`{counted}` of shape {columns[counted].shape} has {rows} rows and `{column.label}` has "
                f"shape {column.shape}",
                "The recording may have been interrupted: write it again or cut the columns to equal length",
            )
    return columns


def counted_column(columns: Mapping[str, StoredColumn]) -> str:
    """Return the column that says how many rows there are: the frames, or the actions of a file without."""
    return "pixels" if "pixels" in columns else "action"


def num_rows(columns: Mapping[str, StoredColumn]) -> int:
    """Return the number of rows, 0 where the column that says it has none."""
    return next(iter(columns[counted_column(columns)].shape), 0)


def episode_index(path: Path, columns: Mapping[str, StoredColumn]) -> tuple[np.ndarray, np.ndarray]:
    """Return lengths and offsets of the episodes, which cover every row exactly once."""
    rows = num_rows(columns)
    parts = []
    for name in EPISODE_COLUMNS:
        column = columns[name]
        whole = column.is_numbers and np.dtype(column.dtype).kind in "iu"
        if not whole or len(column.shape) != 1 or column.shape[0] == 0:
            raise DataError(
                rule(path, f"`{name}` to hold one integer an episode"),
                f"`{name}` is {column.told}",
                "Write one entry for every episode",
            )
        if column.shape[0] > rows:
            raise DataError(
                rule(path, f"an entry in `{name}` for each of at most {rows} episodes, one a row"),
                f"it has {column.shape[0]} entries",
                "The recording may have been interrupted: write it again",
            )
        parts.append(column.read([(0, column.shape[0])]))
    lengths, offsets = parts
    if len(lengths) != len(offsets):
        raise DataError(
            rule(path, "`ep_len` and `ep_offset` of one length"),
            f"they have {len(lengths)} and {len(offsets)} entries",
            "The recording may have been interrupted: write it again",
        )
    # Compared before any sum, which could overflow.
    outside = (lengths < 1) | (lengths > rows) | (offsets < 0) | (offsets >= rows)
    if not outside.any():
        lengths, offsets = lengths.astype(np.int64), offsets.astype(np.int64)
        order = np.argsort(offsets, kind="stable")
        ends = np.cumsum(lengths[order])
        gaps = np.flatnonzero(offsets[order] != ends - lengths[order])
        if not gaps.size and ends[-1] == rows:
            return lengths, offsets
        outside[order[gaps[:1]]] = True
        covered = f"they cover {ends[-1]}, and "
    else:
        covered = ""
    episode = int(np.argmax(outside))
    raise DataError(
        rule(path, f"`ep_offset` and `ep_len` to cover each of its {rows} rows exactly once"),
        f"{covered}episode {episode} has offset {offsets[episode]} and length {lengths[episode]}",
        "The recording may have been interrupted: write it again",
    )
