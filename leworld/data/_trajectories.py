"""Joining separate trajectories along one row axis."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._checks import check_number, describe
from ..errors import ConfigError, DataError, ShapeError
from ._arguments import as_array, listed, named_columns
from ._episode_checks import check_actions, check_pixels

_OWNER = "Episodes.from_trajectories"


def join(
    pixels: Sequence[Any] | None,
    actions: Sequence[Any],
    columns: Mapping[str, Sequence[Any]],
    action_choices: int | None,
) -> dict[str, Any]:
    """Return the arrays of `Episodes` made of one array an episode."""
    named_columns(_OWNER, "columns", columns)
    lists = {"actions": actions, **columns} | ({} if pixels is None else {"pixels": pixels})
    for name, items in lists.items():
        listed(_OWNER, name, items)
    columns = {name: [as_array(_OWNER, name, item) for item in items] for name, items in columns.items()}
    counted = "pixels" if pixels is not None else next(iter(columns), "")
    if pixels is None and not columns:
        raise ConfigError(
            f"{_OWNER} needs something that was sensed",
            "`pixels` is None and `columns` is empty",
            "Pass frames, or vectors by name in `columns`",
        )
    counting: Sequence[Any] = columns[counted] if pixels is None else pixels
    for name, items in {"actions": actions, **columns}.items():
        if len(items) != len(counting) or len(counting) == 0:
            raise ShapeError(
                f"{_OWNER} needs `{name}` and `{counted}` to hold one array for every episode",
                f"`{name}` has {len(items)} and `{counted}` has {len(counting)}",
                "Pass lists of equal, non-zero length",
            )
    padded = []
    for index, (film, given) in enumerate(zip(counting, actions, strict=True)):
        commands = given if action_choices is None else _one_hot(given, action_choices)
        if pixels is not None:
            check_pixels(film)
        check_actions(commands)
        same_size = pixels is None or film.shape[1:] == pixels[0].shape[1:]
        if len(commands) not in (len(film) - 1, len(film)) or not same_size:
            raise ShapeError(
                f"{_OWNER} needs frames of one size and one action fewer than frames (or as many)",
                f"episode {index} has {counted} {film.shape} and actions {commands.shape}, "
                f"and episode 0 has {counted} {counting[0].shape}",
                "Give frame t and the action that was executed after seeing it",
            )
        missing = np.full((len(film) - len(commands), commands.shape[1]), np.nan, np.float32)
        with np.errstate(over="ignore"):  # what does not fit is infinite then, and refused by Episodes
            padded.append(np.concatenate([commands.astype(np.float32, copy=False), missing]))
        for name, items in columns.items():
            if len(items[index]) != len(film):
                raise ShapeError(
                    f"{_OWNER} needs `{name}` to have an entry for every frame",
                    f"episode {index} has {len(film)} frames and {len(items[index])} entries",
                    "Give one entry a frame, the last frame included",
                )
    if len({commands.shape[1] for commands in padded}) > 1:
        raise ShapeError(
            f"{_OWNER} needs the same number of action components in every episode",
            f"they have {sorted({commands.shape[1] for commands in padded})}",
            "Pad or drop components so that they agree",
        )
    return {
        "pixels": None if pixels is None else np.concatenate(list(pixels)),
        "actions": np.concatenate(padded),
        "lengths": np.array([len(film) for film in counting]),
        "columns": {name: np.concatenate(list(items)) for name, items in columns.items()},
    }


def _one_hot(given: Any, count: int) -> Any:
    """Turn numbers of choices into one-hot float32 rows; leave anything else to the later checks."""
    check_number(_OWNER, "action_choices", count, low=2, integer=True)
    if not isinstance(given, np.ndarray) or given.dtype.kind not in "iu" or given.ndim != 1:
        return given
    return one_hot(_OWNER, given, count)


def one_hot(owner: str, index: np.ndarray, count: int) -> np.ndarray:
    """Return float32 one-hot rows for numbers from 0 to `count` - 1."""
    if index.size and (index.min() < 0 or index.max() >= count):
        raise DataError(
            f"{owner} needs actions from 0 to {count - 1}, one of {count} choices",
            f"they lie between {index.min()} and {index.max()} in {describe(index)}",
            "Subtract the smallest choice, or correct the number of choices",
        )
    return np.eye(count, dtype=np.float32)[index]
