"""Whether actions stand in the rows that they belong to, told by what they do to the state."""

import warnings
from pathlib import Path

import numpy as np

from .._checks import describe, plain_numbers
from ..errors import DataError
from ._columns import part_column
from ._episodes import Episodes, check_episodes

_OWNER = "action_shift"
_SHIFTS = (0, -1, 1)  # of equals, the first
_MOST_ROWS = 20_000
_LEAST_ROWS = 40
_CLEAR = 0.5  # share of the unexplained change that has to be left
_COLUMNS = ("state", "proprio", "observation")


@plain_numbers
def action_shift(episodes: Episodes, *, column: str = "state") -> int:
    """Return by how many rows the actions appear to be away from the frames that they leave: 0, 1 or -1.

    Row t should hold the action that leads from frame t to frame t + 1. From a vector of the state, this
    fits its change from each row to the next, linearly, by the state and by the action of the same row, of
    the row before and of the row after. Where a neighbour's action leaves at most half of what the row's own
    leaves unexplained, the actions are told to be shifted. No loss shows such a shift, and no plan survives
    it. It costs a few small least squares, of 20,000 rows at most.

    A robot whose arm lags behind its commands can look as if its actions came a row early; for those the
    answer is a hint.

    Args:
        episodes: What was recorded.
        column: A vector that the action changes, such as positions: the more direct, the clearer.

    Returns:
        1 where the action that leaves frame t stands in row t + 1, -1 where it stands in row t - 1, else 0.

    Raises:
        DataError: The episodes are too short or too few to tell.
        ConfigError: There is no such column.
        ShapeError: The column is no vector of numbers.

    Example:
        ```python
        import numpy as np
        from leworld.data import Episodes, action_shift

        actions = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
        places = np.cumsum(actions, axis=0) - actions  # where the actions so far have led
        late = np.roll(actions, 1, axis=0)
        for moves, shift in ((actions, 0), (late, 1)):
            episodes = Episodes(None, moves, lengths=np.array([200]), columns={"state": places})
            assert action_shift(episodes) == shift
        ```
    """
    check_episodes(_OWNER, "episodes", episodes)
    values = np.asarray(part_column(_OWNER, column, episodes.columns))
    shift = _shift(episodes, values.reshape(len(values), -1))
    if shift is None:
        raise DataError(
            f"{_OWNER} needs at least {_LEAST_ROWS} rows, and ten for each number of a row, that are not at "
            "an episode's ends",
            f"there are {len(_inner_rows(episodes))} for {describe(values)}",
            "Record more or longer episodes, or name a smaller column",
        )
    return shift


def warn_of_shift(path: Path, episodes: Episodes) -> None:
    """Warn where the actions of a data set of stable-worldmodel appear to be shifted.

    Its version 0.1.1 dropped the frame after a reset and then moved the actions along by one (its issue 293,
    mended by its pull request 294), and no episode of such a set ends in NaN, as others do.
    """
    ends = episodes.offsets + episodes.lengths - 1
    if np.isnan(episodes.actions[ends]).any():
        return
    for name in _COLUMNS:
        column = episodes.columns.get(name)
        if column is None or column.ndim != 2 or column.dtype.kind not in "iuf":
            continue
        shift = _shift(episodes, np.asarray(column))
        if shift:
            side = "after" if shift > 0 else "before"
            warnings.warn(
                f"The actions of {path} appear to be shifted by one: the action that leaves a frame stands "
                f"in the row {side} it, judged by `{name}`, and no episode ends without an action. Data sets "
                "that stable-worldmodel 0.1.1 collected are known for that. Collect it again with a later "
                "version, or move the actions before you train",
                UserWarning,
                stacklevel=3,
            )
        return


def _inner_rows(episodes: Episodes) -> np.ndarray:
    """Return rows with a row before them and two after them in their episodes, at most 20,000."""
    spans = zip(episodes.offsets.tolist(), episodes.lengths.tolist(), strict=True)
    rows = np.concatenate([np.arange(start + 1, max(start + 1, start + count - 2)) for start, count in spans])
    step = max(1, -(-len(rows) // _MOST_ROWS))
    return rows[::step]


def _shift(episodes: Episodes, values: np.ndarray) -> int | None:
    rows = _inner_rows(episodes)
    values, actions = values.astype(np.float64), episodes.actions.astype(np.float64)
    width = values.shape[1] + actions.shape[1] + 1
    if len(rows) < max(_LEAST_ROWS, 10 * width) or not np.isfinite(values).all():
        return None
    changes = values[rows + 1] - values[rows]
    spread = changes.std(axis=0)
    moving = spread > 1e-9 * (np.abs(values).max(axis=0) + 1e-30)
    if not moving.any():
        return 0
    changes = (changes[:, moving] - changes[:, moving].mean(axis=0)) / spread[moving]
    unexplained = {shift: _unexplained(changes, values[rows], actions[rows + shift]) for shift in _SHIFTS}
    best = min(_SHIFTS, key=lambda shift: unexplained[shift])
    return best if unexplained[best] < _CLEAR * unexplained[0] and unexplained[0] > 1e-9 else 0


def _unexplained(changes: np.ndarray, values: np.ndarray, actions: np.ndarray) -> float:
    """Return the mean square that a linear fit of the changes leaves."""
    causes = np.concatenate([values, actions], axis=1)
    causes = (causes - causes.mean(axis=0)) / (causes.std(axis=0) + 1e-30)
    causes = np.concatenate([causes, np.ones((len(causes), 1))], axis=1)
    found, *_ = np.linalg.lstsq(causes, changes, rcond=1e-10)
    return float(np.square(changes - causes @ found).mean())
