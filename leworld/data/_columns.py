"""Which columns of episodes are parts of an observation, and which belong to a batch beside it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .._checks import describe, nearest
from ..errors import ConfigError, ShapeError

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


def scalar_column(owner: str, name: str, columns: Mapping[str, Any]) -> np.ndarray:
    """Return a column with one number a row, as (row,): float32 rewards, or flags as booleans."""
    column = known_column(owner, name, columns)
    if column.dtype.kind not in "biuf" or np.prod(column.shape) != len(column):
        raise ShapeError(
            f"{owner} needs `{name}` to hold one number a row",
            f"`{name}` is {describe(column)}",
            f"Store it as an array (row,), or under another name than `{name}`",
        )
    flat = np.asarray(column).reshape(-1)
    return flat.astype(np.float32) if name == REWARD else np.nan_to_num(flat) != 0
