"""Whether an HDF5 file has the columns of the layout, with episodes that cover its rows."""

from pathlib import Path
from typing import Any

import numpy as np

from .._checks import nearest, quoted
from ..errors import DataError
from ._hdf5_layout import COLUMNS_ATTRIBUTE, EPISODE_COLUMNS, LOADED_COLUMNS, ROW_COLUMNS, is_known, rule


def counted_column(file: Any) -> str:
    """Return the column that says how many rows there are: the frames, or the actions of a file without."""
    return "pixels" if "pixels" in file else "action"


def check_names(path: Path, file: Any, listed: tuple[str, ...]) -> None:
    # Only write_hdf5 makes files without frames, and it leaves this attribute.
    due = ("action",) if COLUMNS_ATTRIBUTE in file.attrs else ROW_COLUMNS
    missing = [name for name in (*due, *EPISODE_COLUMNS, *listed) if name not in file]
    if missing:
        raise DataError(
            rule(path, f"a column `{missing[0]}`"),
            f"its columns are {quoted(file) or 'none'}",
            "Write it in stable-worldmodel's layout, as write_hdf5 does",
        )
    for name in file:
        if not hasattr(file[name], "shape"):
            raise DataError(
                rule(path, "a dataset for every column"),
                f"`{name}` is a group",
                "Put every column at the top of the file",
            )
        if not is_known(name) and name not in listed:
            raise DataError(
                rule(path, "columns of stable-worldmodel's layout only"),
                f"`{name}` is unknown",
                f"Pass extra_columns=[{name!r}] to load it. "
                + nearest(name, (*ROW_COLUMNS, *EPISODE_COLUMNS, *LOADED_COLUMNS)),
            )
    counted = counted_column(file)
    rows = file[counted].shape[0] if file[counted].ndim else 0
    for name in file:
        dataset = file[name]
        if name not in EPISODE_COLUMNS and (dataset.ndim == 0 or dataset.shape[0] != rows):
            raise DataError(
                rule(path, "one entry a row in every column"),
                f"`{counted}` has {rows} rows and `{name}` has shape {dataset.shape}",
                "The recording may have been interrupted: write it again or cut the columns to equal length",
            )


def episode_index(path: Path, file: Any) -> tuple[np.ndarray, np.ndarray]:
    parts = []
    for name in EPISODE_COLUMNS:
        dataset = file[name]
        if dataset.ndim != 1 or dataset.dtype.kind not in "iu" or dataset.shape[0] == 0:
            raise DataError(
                rule(path, f"`{name}` to hold one integer an episode"),
                f"`{name}` is {dataset.dtype} of shape {dataset.shape}",
                "Write one entry for every episode",
            )
        parts.append(dataset[()].astype(np.int64))
    lengths, offsets = parts
    if len(lengths) != len(offsets):
        raise DataError(
            rule(path, "`ep_len` and `ep_offset` of one length"),
            f"they have {len(lengths)} and {len(offsets)} entries",
            "The recording may have been interrupted: write it again",
        )
    rows = file[counted_column(file)].shape[0]
    order = np.argsort(offsets, kind="stable")
    ends = np.cumsum(lengths[order])
    gaps = np.flatnonzero(offsets[order] != ends - lengths[order])
    if lengths.min() < 1 or gaps.size or ends[-1] != rows:
        episode = int(order[gaps[0]]) if gaps.size else int(np.argmin(lengths))
        raise DataError(
            rule(path, f"`ep_offset` and `ep_len` to cover each of its {rows} rows exactly once"),
            f"they cover {ends[-1]}, and episode {episode} has offset {offsets[episode]} and "
            f"length {lengths[episode]}",
            "The recording may have been interrupted: write it again",
        )
    return lengths, offsets
