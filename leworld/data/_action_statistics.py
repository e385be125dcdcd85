"""Action statistics of a dataset, for models that were published without."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from .._checks import check_number, describe, plain_numbers, quoted
from ..errors import ConfigError, DataError
from ._hdf5._file import opened
from ._hdf5._stored import StoredColumn
from ._hdf5_layout import shown

_ROWS_AT_ONCE, _BYTES_AT_ONCE = 2**18, 2**26


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
        DataError: if the file or the column is missing, damaged or not wholly there, points to another file,
            is no table of numbers, or has no finite row; see `read_hdf5`.
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
    if not isinstance(column, str):
        raise ConfigError(
            "action_statistics needs `column` to be a name", f"it is {describe(column)}", 'Pass "action"'
        )
    source = Path(path) if isinstance(path, str | os.PathLike) else path
    rule = f"action_statistics needs `{shown(column)}` in {source} as a table (row, component) of numbers"
    with opened(path, owner="action_statistics") as file:
        if column.split("/")[0] not in file.names:
            listing = quoted(shown(name) for name in file.names[:20]) or "nothing"
            raise DataError(rule, f"the file holds {listing}", "Name the action column with `column`")
        table = file.column(column)
        is_number = table.is_numbers and np.dtype(table.dtype).kind in "fiu"
        if not is_number or len(table.shape) != 2 or table.shape[1] == 0:
            raise DataError(rule, f"it is {table.told}", "Choose the column of raw actions")
        table.check([(0, table.shape[0])])
        mean, std, count = _two_passes(table, rule)
    return ActionStatistics(tuple(mean.tolist()), tuple(std.tolist()), f"{count} rows of {file.path.name}")


def _two_passes(table: StoredColumn, rule: str) -> tuple[np.ndarray, np.ndarray, int]:
    width = table.shape[1]
    total, count, largest = np.zeros(width), 0, np.zeros(width)
    squares = np.zeros(width)
    with np.errstate(over="ignore", invalid="ignore"):
        for rows in _finite(table):
            total += rows.sum(axis=0)
            count += len(rows)
            largest = np.maximum(largest, np.abs(rows).max(axis=0, initial=0.0))
        if count == 0:
            raise DataError(rule, "no row is finite", "Choose the column of raw actions")
        mean = total / count
        for rows in _finite(table):
            squares += np.square(rows - mean).sum(axis=0)
        std = np.sqrt(squares / count)
    if not (np.isfinite(mean).all() and np.isfinite(std).all()):
        got = f"they reach {largest.max():.3g}, so that their deviation overflows"
        raise DataError(rule, got, "Choose the column of raw actions, in units of moderate size")
    return mean, np.where(std <= 1e-6 * largest, 0.0, std), count


def _finite(table: StoredColumn) -> Iterator[np.ndarray]:
    """Yield the finite rows, some at a time, in float64."""
    step = max(1, min(_ROWS_AT_ONCE, _BYTES_AT_ONCE // (8 * table.shape[1])))
    for start in range(0, table.shape[0], step):
        end = min(start + step, table.shape[0])
        rows = table.empty(end - start, np.dtype(np.float64))
        table.copy(start, end, rows)
        yield rows[np.isfinite(rows).all(axis=1)]
