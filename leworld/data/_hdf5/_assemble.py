"""Putting `Episodes` together from a file in stable-worldmodel's layout, with every breach of it named."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ..._checks import describe
from ...errors import ConfigError, DataError, LeWorldError
from .._action_shift import warn_of_shift
from .._actions import describe_bad_action
from .._arguments import chosen_episodes, names_of
from .._episodes import Episodes
from .._hdf5_layout import (
    CAMERA_PREFIX,
    ENVIRONMENT_ATTRIBUTE,
    EPISODE_COLUMNS,
    IGNORED_COLUMNS,
    REWARD,
    ROW_COLUMNS,
    rule,
)
from ._check import checked_columns, episode_index, own_columns, rate_and_choices, task_texts
from ._columns import leaving_rewards, read_column
from ._file import DataFile, opened
from ._stored import Runs, StoredColumn

Pictures: TypeAlias = Callable[[Path, StoredColumn, Runs], Any]  # the rows of a camera, after their checks


def episodes_of(
    path: str | os.PathLike[str],
    *,
    owner: str,
    pictures: Pictures,
    episodes: slice | Sequence[int] | None,
    extra_columns: Sequence[str],
    environment_id: str | None,
) -> Episodes:
    """Return the chosen episodes of a file: numbers in memory, and cameras as `pictures` gives them."""
    extra = _names(owner, extra_columns)
    if not isinstance(environment_id, str | None):
        raise ConfigError(
            f"{owner} needs `environment_id` to be a text",
            f"it is {describe(environment_id)}",
            "Leave it out to take the one that the file names",
        )
    with opened(path, owner=owner) as file:
        own = own_columns(file)
        columns = checked_columns(file, own, extra)
        lengths, offsets = episode_index(file.path, columns)
        chosen = chosen_episodes(owner, file.path, len(lengths), episodes)
        spans = lengths[chosen], offsets[chosen]
        arrays = _arrays(file, columns, (own or (), extra), spans, pictures)
        if environment_id is None:
            environment_id = _environment(file)
        fps, choices = rate_and_choices(file)
        texts = task_texts(file, len(lengths))
    try:
        found = Episodes._of_own(
            **arrays,
            lengths=lengths[chosen],
            environment_id=environment_id,
            fps=fps,
            action_choices=choices,
            task_texts=None if texts is None else [texts[number] for number in chosen],
        )
    except LeWorldError as error:
        raise DataError(
            rule(file.path, "episodes whose parts fit together"),
            f"they do not: {error.got}",
            f"{error.rule}. {error.fix}",
        ) from error
    if own is None:
        warn_of_shift(file.path, found)
    return found


def _arrays(
    file: DataFile,
    columns: Mapping[str, StoredColumn],
    named: tuple[Sequence[str], Sequence[str]],
    spans: tuple[np.ndarray, np.ndarray],
    pictures: Pictures,
) -> dict[str, Any]:
    """Read the frames, the actions and the further columns of the chosen episodes."""
    (own, extra), (lengths, offsets) = named, spans
    path, runs = file.path, _runs(lengths, offsets)
    pixels = pictures(path, columns["pixels"], runs) if "pixels" in columns else None
    actions = read_column(path, columns["action"], runs)
    _check_actions(path, actions, lengths)
    further = {}
    for name, column in columns.items():
        if name in ROW_COLUMNS or name in EPISODE_COLUMNS:
            continue
        is_camera = name in extra and name not in own and name.startswith(CAMERA_PREFIX)
        if is_camera or (name in own and _is_film(column)):
            further[name] = pictures(path, column, runs)
        elif name in own or name in extra or _is_usual(column):
            further[name] = read_column(path, column, runs)
    if REWARD in further:
        further[REWARD] = leaving_rewards(further[REWARD], lengths)
    return {"pixels": pixels, "actions": actions, "columns": further}


def _is_film(column: StoredColumn) -> bool:
    """Whether a column holds pictures that `write_hdf5` wrote."""
    return column.dtype == np.uint8 and len(column.shape) == 4 and column.shape[3] == 3


def _is_usual(column: StoredColumn) -> bool:
    """Whether a column loads by itself: not if it follows from others, is a text, or may be a picture."""
    return not (column.name in IGNORED_COLUMNS or column.is_texts or len(column.shape) > 2) and not (
        column.name.startswith(CAMERA_PREFIX)
    )


def _environment(file: DataFile) -> str | None:
    named = file.attribute(ENVIRONMENT_ATTRIBUTE)
    if not isinstance(named, str | None):
        raise DataError(
            rule(file.path, f"a text in its attribute `{ENVIRONMENT_ATTRIBUTE}`"),
            f"it is {describe(named)}",
            "Pass `environment_id` yourself",
        )
    return named


def _check_actions(path: Path, actions: np.ndarray, lengths: np.ndarray) -> None:
    problem = describe_bad_action(actions, lengths)
    if problem is not None:
        raise DataError(
            rule(path, "finite numbers in `action` in every row but an episode's last"),
            problem,
            "Read other episodes, or write the file again with the actions that were executed",
        )


def _names(owner: str, extra_columns: object) -> tuple[str, ...]:
    names = names_of(owner, "extra_columns", extra_columns)
    wrong = [name for name in names if name in EPISODE_COLUMNS]
    if wrong:
        raise ConfigError(
            f"{owner} needs columns with one entry a row as `extra_columns`",
            f"`{wrong[0]}` has one an episode",
            "Leave it out: `Episodes.lengths` and `Episodes.offsets` hold it",
        )
    return names


def _runs(lengths: np.ndarray, offsets: np.ndarray) -> Runs:
    """Join episodes that follow one another in the file into (first row, end row) runs."""
    runs: list[tuple[int, int]] = []
    for offset, length in zip(offsets.tolist(), lengths.tolist(), strict=True):
        if runs and runs[-1][1] == offset:
            runs[-1] = (runs[-1][0], offset + length)
        else:
            runs.append((offset, offset + length))
    return runs
