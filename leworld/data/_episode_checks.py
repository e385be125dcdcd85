"""What `Episodes` requires of its arrays."""

from typing import Any

import numpy as np

from .._checks import check_number, describe
from ..errors import DataError, ShapeError
from ._actions import describe_bad_action
from ._arguments import UNFIT, is_array
from ._lazy import is_column

_RGB_FIX = "Store RGB images as uint8 in 0..255 with the channel last; repeat a grey channel three times"


def check_pixels(pixels: object) -> None:
    """Raise `ShapeError` unless `pixels` is a film of RGB frames."""
    if (
        not is_column(pixels)
        or pixels.dtype != np.uint8
        or pixels.ndim != 4
        or pixels.shape[3] != 3
        or 0 in pixels.shape
    ):
        raise ShapeError(
            "Episodes needs `pixels` to be a non-empty uint8 array (row, height, width, 3)",
            f"`pixels` is {describe(pixels)}",
            _RGB_FIX,
        )


def check_actions(rows: object) -> None:
    """Raise `ShapeError` unless `rows` is a table of floating-point actions."""
    if not is_array(rows) or rows.dtype.kind != "f" or rows.ndim != 2 or rows.shape[1] == 0:
        raise ShapeError(
            "Episodes needs `actions` to be a floating-point array (row, action) with at least one component",
            f"`actions` is {describe(rows)}",
            "Convert `actions` with `.astype(np.float32)` and put its components on the last axis; give "
            "numbers of choices to `from_trajectories(..., action_choices=n)`",
        )


def checked_lengths(lengths: Any, rows: int, counted: str) -> np.ndarray:
    """Return the lengths as int64 after checking that they add up to `rows`."""
    try:
        array = np.asarray(lengths)
    except UNFIT:  # ragged lists, tensors that are elsewhere
        array = np.empty(0, object)
    if array.ndim != 1 or array.dtype.kind not in "iu" or array.size == 0:
        raise ShapeError(
            "Episodes needs `lengths` to hold one integer an episode, for at least one episode",
            f"`lengths` is {describe(lengths)}",
            "Pass the number of rows of every episode as a one-axis integer array",
        )
    if array.min() < 1 or array.max() > rows or array.sum() != rows:
        raise DataError(
            "Episodes needs `lengths` of at least 1 that add up to the number of rows",
            f"the smallest is {array.min()} and they add up to {array.sum()}, "
            f"while `{counted}` has {rows} rows",
            "Give the rows of every episode, its last frame included",
        )
    return array.astype(np.int64, copy=False)


def check_column(name: str, column: object, rows: int, counted: str) -> None:
    """Raise `ShapeError` unless `column` has one entry a row."""
    if not is_column(column) or column.ndim < 1 or len(column) != rows:
        raise ShapeError(
            f"Episodes needs `{name}` to be an array with one entry for each of the {rows} rows of "
            f"`{counted}`",
            f"`{name}` is {describe(column)}",
            "Pad or cut it so that every frame has its entry",
        )


def check_finite_actions(actions: np.ndarray, lengths: np.ndarray) -> None:
    """Raise `DataError` where an action is NaN or infinite that must not be."""
    problem = describe_bad_action(actions, lengths)
    if problem is not None:
        raise DataError(
            "Episodes needs finite `actions` in every row but an episode's last",
            problem,
            "Cut the episode there, or fill in the action that was executed",
        )


def checked_rate(fps: Any) -> float | None:
    """Return the frame rate as a float above 0, or None."""
    if fps is None:
        return None
    check_number("Episodes", "fps", fps, low=0.0, open_low=True)
    return float(fps)


def checked_choices(count: Any, actions: np.ndarray) -> int | None:
    """Return the number of choices after checking that all actions are one-hot among so many."""
    if count is None:
        return None
    check_number("Episodes", "action_choices", count, low=2, integer=True)
    if actions.shape[1] != count:
        raise ShapeError(
            f"Episodes needs one component for each of the action_choices={count}",
            f"`actions` is {describe(actions)}",
            "Give one-hot actions, or numbers of choices to `from_trajectories`",
        )
    bad = np.flatnonzero(~one_hot_rows(actions) & np.isfinite(actions).all(axis=1))
    if bad.size:
        raise DataError(
            f"Episodes needs one-hot `actions` for action_choices={count}",
            f"row {bad[0]} is {actions[bad[0]].tolist()}",
            "Leave `action_choices` out if the action is a vector of amounts",
        )
    return int(count)


def one_hot_rows(actions: np.ndarray) -> np.ndarray:
    """Say for every row whether it holds a single 1 and else 0."""
    return ((actions == 1).sum(axis=1) == 1) & ((actions == 0).sum(axis=1) == actions.shape[1] - 1)
