"""Reading runs of rows of one HDF5 dataset into memory, with errors that name the file and the column."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError, MissingExtraError
from ._hdf5_layout import rule

_FILTERS = {32001: "Blosc", 32004: "LZ4", 32008: "Bitshuffle", 32015: "Zstandard", 32026: "Blosc2"}
_TRANSPOSED_ROWS = 256


def read_pixels(path: Path, name: str, dataset: Any, runs: list[tuple[int, int]]) -> np.ndarray:
    """Read the frames of one camera in the given rows, channel last, each copied once."""
    shape = dataset.shape
    channel_last = dataset.ndim == 4 and shape[3] == 3
    if dataset.dtype != np.uint8 or not (channel_last or (dataset.ndim == 4 and shape[1] == 3)):
        raise DataError(
            rule(path, f"`{name}` to be uint8 with axes (row, height, width, 3) or (row, 3, height, width)"),
            f"`{name}` is {dataset.dtype} of shape {shape}{_nan_note(path, name, dataset)}",
            "Store RGB frames as whole numbers from 0 to 255",
        )
    if channel_last:
        return _read_runs(path, name, dataset, runs, np.dtype(np.uint8))
    pixels = np.empty((sum(end - start for start, end in runs), *shape[2:], 3), np.uint8)
    filled = 0
    for run_start, run_end in runs:
        for start in range(run_start, run_end, _TRANSPOSED_ROWS):
            end = min(start + _TRANSPOSED_ROWS, run_end)
            part = _read_runs(path, name, dataset, [(start, end)], np.dtype(np.uint8))
            pixels[filled : filled + end - start] = part.transpose(0, 2, 3, 1)
            filled += end - start
    return pixels


def read_column(path: Path, name: str, dataset: Any, runs: list[tuple[int, int]]) -> np.ndarray:
    """Read the given rows of a column of numbers, the actions as float32."""
    is_action = name == "action"
    fits = dataset.dtype.kind == "f" and dataset.ndim == 2 and dataset.shape[1] > 0
    if not fits if is_action else dataset.dtype.kind not in "biuf":
        need = "floating-point with axes (row, action)" if is_action else "numbers"
        raise DataError(
            rule(path, f"`{name}` to be {need}"),
            f"`{name}` is {dataset.dtype} of shape {dataset.shape}",
            "Write it as float32" if is_action else "Leave it out of `extra_columns`",
        )
    return _read_runs(path, name, dataset, runs, np.dtype(np.float32) if is_action else dataset.dtype)


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


def _read_runs(
    path: Path, name: str, dataset: Any, runs: list[tuple[int, int]], dtype: np.dtype
) -> np.ndarray:
    rows = np.empty((sum(end - start for start, end in runs), *dataset.shape[1:]), dtype)
    filled = 0
    with _reading(path, name, dataset):
        for start, end in runs:
            dataset.read_direct(rows, np.s_[start:end], np.s_[filled : filled + end - start])
            filled += end - start
    return rows


@contextmanager
def _reading(path: Path, name: str, dataset: Any) -> Iterator[None]:
    _check_filters(path, name, dataset)
    try:
        yield
    except OSError as error:
        raise DataError(
            rule(path, f"readable data in `{name}`"),
            f"reading it failed ({error})",
            "The file is damaged: fetch or write it again",
        ) from error


def _check_filters(path: Path, name: str, dataset: Any) -> None:
    h5z = importlib.import_module("h5py.h5z")
    settings = dataset.id.get_create_plist()
    for index in range(settings.get_nfilters()):
        code = settings.get_filter(index)[0]
        if h5z.filter_avail(code):
            continue
        with suppress(ImportError):
            importlib.import_module("hdf5plugin")  # registers its filters
        if not h5z.filter_avail(code):
            raise MissingExtraError(
                rule(path, f"the compression filter {_FILTERS.get(code, 'number')} ({code}) for `{name}`"),
                "that filter is not installed",
                "Install it with `pip install hdf5plugin`",
            )


def _nan_note(path: Path, name: str, dataset: Any) -> str:
    if dataset.dtype.kind != "f" or dataset.ndim == 0 or dataset.shape[0] == 0:
        return ""
    with _reading(path, name, dataset):
        count = int(np.isnan(dataset[0]).sum())
    return f", with {count} NaN in its first row" if count else ""
