"""What columns of stable-worldmodel's layout must hold, and reading them into the arrays of `Episodes`."""

from pathlib import Path

import numpy as np

from ...errors import DataError
from .._hdf5_layout import rule
from ._stored import Runs, StoredColumn

_TRANSPOSED_ROWS = 256


def is_channel_first(path: Path, column: StoredColumn) -> bool:
    """Say which form the frames of a camera have, or raise `DataError` if it holds none."""
    shape, name = column.shape, column.label
    channel_last = len(shape) == 4 and shape[3] == 3
    channel_first = len(shape) == 4 and shape[1] == 3
    fits = column.is_numbers and column.dtype == np.uint8 and (channel_last or channel_first)
    if not fits or 0 in shape:
        raise DataError(
            rule(path, f"`{name}` to be uint8 with axes (row, height, width, 3) or (row, 3, height, width)"),
            f"`{name}` is {column.told}{_nan_note(column)}",
            "Store RGB frames as whole numbers from 0 to 255",
        )
    return not channel_last


def read_pixels(path: Path, column: StoredColumn, runs: Runs) -> np.ndarray:
    """Read the frames of one camera in the given rows, channel last, each copied once."""
    shape = column.shape
    if not is_channel_first(path, column):
        return column.read(runs)
    column.check(runs)
    count = sum(end - start for start, end in runs)
    pixels = column.empty(count).reshape(count, *shape[2:], 3)
    filled = 0
    for run_start, run_end in runs:
        for start in range(run_start, run_end, _TRANSPOSED_ROWS):
            part = column.empty(min(start + _TRANSPOSED_ROWS, run_end) - start)
            column.copy(start, start + len(part), part)
            pixels[filled : filled + len(part)] = part.transpose(0, 2, 3, 1)
            filled += len(part)
    return pixels


def read_column(path: Path, column: StoredColumn, runs: Runs) -> np.ndarray:
    """Read the given rows of a column of numbers, the actions as float32."""
    name = column.label
    if name == "action":
        is_float = column.is_numbers and np.dtype(column.dtype).kind == "f"
        if not is_float or len(column.shape) != 2 or column.shape[1] == 0:
            raise DataError(
                rule(path, f"`{name}` to be floating-point with axes (row, action)"),
                f"`{name}` is {column.told}",
                "Write it as float32",
            )
        return column.read(runs, np.dtype(np.float32))
    if not column.is_numbers:
        raise DataError(
            rule(path, f"`{name}` to be numbers"),
            f"`{name}` is {column.told}",
            "Write it as numbers, or leave it out of the file and of `extra_columns`",
        )
    return column.read(runs)


def leaving_rewards(rewards: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Move rewards that are stored with the frame they came with to the action that earned them."""
    first = np.cumsum(lengths) - lengths
    if not _missing_at(rewards, first):
        return rewards
    moved = np.roll(rewards, -1, axis=0)
    moved[first + lengths - 1] = np.nan
    return moved


def arriving_rewards(rewards: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Move rewards to the frame that they came with, as stable-worldmodel stores them."""
    first = np.cumsum(lengths) - lengths
    if not _missing_at(rewards, first + lengths - 1):
        return rewards
    moved = np.roll(rewards, 1, axis=0)
    moved[first] = np.nan
    return moved


def _missing_at(rewards: np.ndarray, rows: np.ndarray) -> bool:
    return rewards.dtype.kind == "f" and bool(np.isnan(rewards[rows]).all())


def _nan_note(column: StoredColumn) -> str:
    floats = column.is_numbers and np.dtype(column.dtype).kind == "f"
    if not floats or not column.shape or 0 in column.shape:
        return ""
    count = int(np.isnan(column.read([(0, 1)])).sum())
    return f", with {count} NaN in its first row" if count else ""
