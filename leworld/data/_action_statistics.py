"""Action statistics of a dataset, for models that were published without."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from .._checks import check_number, describe, plain_numbers, quoted, require
from ..errors import ConfigError, DataError

_ROWS_AT_ONCE = 2**18


@final
@plain_numbers
@dataclass(frozen=True)
class ActionStatistics:
    """Mean and standard deviation of every action component, and where they come from.

    Example:
        ```python
        from leworld.data import ActionStatistics

        statistics = ActionStatistics(mean=(0.0, 0.1), std=(0.5, 0.0), source="my robot, 3 hours")
        assert len(statistics.mean) == 2
        ```
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    source: str

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            values = getattr(self, name)
            if not isinstance(values, Sequence) or isinstance(values, str) or len(values) == 0:
                raise ConfigError(
                    f"ActionStatistics needs `{name}` to hold a number for every action component",
                    f"`{name}` is {describe(values)}",
                    "Pass a tuple of floats",
                )
            for value in values:
                check_number("ActionStatistics", name, value, low=0.0 if name == "std" else -np.inf)
            object.__setattr__(self, name, tuple(float(value) for value in values))
        if len(self.mean) != len(self.std):
            raise ConfigError(
                "ActionStatistics needs as many means as standard deviations",
                f"there are {len(self.mean)} and {len(self.std)}",
                "Pass one of each for every action component",
            )
        if not isinstance(self.source, str) or not self.source:
            raise ConfigError(
                "ActionStatistics needs a `source`",
                f"it is {self.source!r}",
                "Say in words which data they come from, so that it travels with the model",
            )


def action_statistics(path: str | os.PathLike[str], *, column: str = "action") -> ActionStatistics:
    """Compute the action statistics of an HDF5 dataset by streaming its action column only.

    Use it for a model whose record has none, with the dataset that it was trained on, and give the result to
    `model.with_action_stats`. Pixels are not touched, so compressed image columns and files larger than
    memory cost nothing. Rows that hold NaN, as the last of every episode does, are left out. Needs the extra
    `train`.

    Args:
        path: A file in stable-worldmodel's layout; unpack `.h5.zst` first.
        column: Name of the action column.

    Raises:
        DataError: if the file or the column is missing, no table of numbers, or without a finite row.
        MissingExtraError: if h5py is not installed.

    Numerics: float64, two passes: first the mean, then the population variance around it. A component whose
    deviation is at most 1e-6 of its largest magnitude is constant up to rounding and gets deviation 0.

    Example:
        ```python
        import tempfile
        from pathlib import Path

        import numpy as np
        from leworld.data import Episodes, action_statistics, write_hdf5

        film = [np.zeros((3, 8, 8, 3), np.uint8)]
        episodes = Episodes.from_trajectories(film, [np.array([[1.0, 7.0], [3.0, 7.0]])])
        with tempfile.TemporaryDirectory() as folder:
            write_hdf5(Path(folder) / "mine.h5", episodes)
            statistics = action_statistics(Path(folder) / "mine.h5")
        assert statistics.mean == (2.0, 7.0) and statistics.std == (1.0, 0.0)
        ```
    """
    h5py = require("h5py", extra="train", purpose="action_statistics")
    source = Path(path)
    rule = f"action_statistics needs `{column}` in {source} as a table (row, component) of numbers"
    try:
        with h5py.File(source, "r") as file:
            if column not in file:
                listing = quoted(file) or "nothing"
                raise DataError(rule, f"the file holds {listing}", "Name the action column with `column`")
            table = file[column]
            if getattr(table, "ndim", 0) != 2 or table.dtype.kind not in "fiu":
                got = f"it has shape {getattr(table, 'shape', None)} and type {getattr(table, 'dtype', None)}"
                raise DataError(rule, got, "Choose the column of raw actions")
            mean, std, count = _two_passes(table, rule)
    except OSError as error:
        raise DataError(
            f"action_statistics needs {source} to be a whole HDF5 file",
            f"opening it failed ({' '.join(str(error).split())})",
            "Check the path; unpack a `.zst` file first; download a truncated one again",
        ) from error
    return ActionStatistics(tuple(mean.tolist()), tuple(std.tolist()), f"{count} rows of {source.name}")


def _two_passes(table: "np.ndarray", rule: str) -> tuple[np.ndarray, np.ndarray, int]:
    total, count, largest = np.zeros(table.shape[1]), 0, np.zeros(table.shape[1])
    for start in range(0, table.shape[0], _ROWS_AT_ONCE):
        rows = _finite(table, start)
        total += rows.sum(axis=0)
        count += len(rows)
        largest = np.maximum(largest, np.abs(rows).max(axis=0, initial=0.0))
    if count == 0:
        raise DataError(rule, "no row is finite", "Choose the column of raw actions")
    mean = total / count
    squares = np.zeros_like(mean)
    for start in range(0, table.shape[0], _ROWS_AT_ONCE):
        squares += np.square(_finite(table, start) - mean).sum(axis=0)
    std = np.sqrt(squares / count)
    return mean, np.where(std <= 1e-6 * largest, 0.0, std), count


def _finite(table: "np.ndarray", start: int) -> np.ndarray:
    rows = np.asarray(table[start : start + _ROWS_AT_ONCE], dtype=np.float64)
    return rows[np.isfinite(rows).all(axis=1)]
