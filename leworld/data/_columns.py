"""Which columns of episodes are parts of an observation, and which belong to a batch beside it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .._checks import describe, nearest
from ..errors import ConfigError, DataError, ShapeError

REWARD = "reward"
FLAGS = ("terminated", "truncated", "success")
BATCH_COLUMNS = (REWARD, *FLAGS)


def known_column(owner: str, name: str, columns: Mapping[str, Any]) -> Any:
    """Return a column by name, or say which ones there are."""
    if not isinstance(name, str):
        raise ConfigError(
            f"{owner} needs a column's name",
            f"it is {describe(name)}",
            nearest("", columns) if columns else "The episodes have no columns: record it with them",
        )
    if name not in columns:
        raise ConfigError(
            f"{owner} needs columns that the episodes have",
            f"there is no `{name}`",
            nearest(name, columns) if columns else "The episodes have no columns: record it with them",
        )
    return columns[name]


def part_column(owner: str, name: str, columns: Mapping[str, Any]) -> Any:
    """Return a column as a part of an observation: uint8 pictures, or numbers (row, dim).

    A column on disk stays there, unless it is one number a row.
    """
    column = known_column(owner, name, columns)
    if column.ndim == 4 and column.dtype == np.uint8 and column.shape[3] == 3:
        return column
    if column.dtype.kind in "biuf" and column.ndim in (1, 2):
        return np.asarray(column)[:, None] if column.ndim == 1 else column
    raise ShapeError(
        f"{owner} needs `{name}` as uint8 pictures (row, height, width, 3), or numbers (row, dim)",
        f"`{name}` is {describe(column)}",
        f"Bring it into one of these forms, for example `{name}.reshape(len({name}), -1)`",
    )


def scalar_column(owner: str, name: str, columns: Mapping[str, Any], lengths: np.ndarray) -> np.ndarray:
    """Return a column with one number a row, as (row,): float32 rewards, or flags as booleans.

    Rewards have to be finite but in an episode's last row, whose action leads nowhere; flags may be NaN in
    its first, to which no action leads.
    """
    column = known_column(owner, name, columns)
    if column.dtype.kind not in "biuf" or np.prod(column.shape) != len(column):
        raise ShapeError(
            f"{owner} needs `{name}` to hold one number a row",
            f"`{name}` is {describe(column)}",
            f"Store it as an array (row,), or under another name than `{name}`",
        )
    flat = np.asarray(column).reshape(-1)
    if name != REWARD:
        _check_known(owner, name, np.isnan(flat), lengths, unless="first")
        return np.where(np.isnan(flat), 0, flat) != 0
    with np.errstate(over="ignore"):  # what is too large for float32 is infinite then, and refused
        rewards = flat.astype(np.float32)
    _check_known(owner, name, ~np.isfinite(rewards), lengths, unless="last")
    return rewards


def _check_known(owner: str, name: str, bad: np.ndarray, lengths: np.ndarray, *, unless: str) -> None:
    """Raise `DataError` where a number is missing elsewhere than in the first or last rows of episodes."""
    ends = np.cumsum(lengths)
    bad = bad.copy()
    bad[ends - 1 if unless == "last" else ends - lengths] = False
    rows = np.flatnonzero(bad)
    if rows.size:
        episode = int(np.searchsorted(ends, rows[0], side="right"))
        raise DataError(
            f"{owner} needs `{name}` to be finite in every row but an episode's {unless}",
            f"{rows.size} of {bad.size} rows are NaN or infinite, the first is row {rows[0]}, of episode "
            f"{episode}",
            "Fill in what was meant, or leave these episodes out with `Episodes.select`",
        )
