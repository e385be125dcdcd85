"""States out of recorded episodes."""

import numpy as np
import torch

from .._checks import describe, nearest
from ..data import Episodes
from ..errors import ConfigError, DataError, NonFiniteError


def check_episodes(owner: str, episodes: object) -> None:
    """Raise `ConfigError` unless `episodes` are recorded episodes."""
    if not isinstance(episodes, Episodes):
        raise ConfigError(
            f"{owner} needs `episodes` to be a `leworld.data.Episodes`",
            f"`episodes` is {describe(episodes)}",
            "Read them with `read_hdf5`, or collect them with `collect`",
        )


def state_column(owner: str, episodes: Episodes, column: str) -> np.ndarray:
    """Return a numeric column as float32 "row state", or say what is wrong with it."""
    check_episodes(owner, episodes)
    if column not in episodes.columns:
        raise DataError(
            f"{owner} needs episodes with the column `{column}`",
            "there is no such column",
            f"{nearest(column, episodes.columns)}. Name one of them by `column=` or in a `Quantity`"
            if episodes.columns
            else "Record states beside the pixels",
        )
    values = np.asarray(episodes.columns[column])
    if values.dtype.kind not in "fiu":
        raise DataError(
            f"{owner} needs numbers in the column `{column}`",
            f"its dtype is {values.dtype}",
            "Choose a column of numbers",
        )
    states = values.reshape(len(values), -1).astype(np.float32)
    if not np.isfinite(states).all():
        row = int(np.flatnonzero(~np.isfinite(states).all(axis=1))[0])
        raise NonFiniteError(
            f"{owner} needs finite states in the column `{column}`",
            f"row {row} holds NaN or infinity",
            "Leave that episode out with `episodes.select`",
        )
    return states


def strided_rows(episodes: Episodes, stride: int) -> tuple[np.ndarray, torch.Tensor]:
    """Return every `stride`-th row of every episode, from its first on, and the episode of each."""
    lengths = episodes.lengths
    episode = np.repeat(np.arange(len(lengths)), lengths)
    within = np.concatenate([np.arange(length) for length in lengths])
    rows = np.flatnonzero(within % stride == 0)
    return rows, torch.from_numpy(episode[rows])
