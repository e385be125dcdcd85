"""Rewards of one fixed goal, on episodes that were recorded without it."""

from dataclasses import replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from .._checks import check_choice, check_float_array, check_number, describe, plain_numbers
from ..data import Episodes
from ..errors import ConfigError, DataError
from ._task import Task


@plain_numbers
def with_rewards(
    episodes: Episodes,
    task: Task,
    *,
    goal: Float[np.ndarray, " state"],
    kind: Literal["sparse", "dense"] = "sparse",
    unit: float = 1.0,
    ends: bool = False,
) -> Episodes:
    """Return the episodes with the rewards of reaching `goal`, for models that learn one task.

    The columns `reward`, `terminated` and `truncated` take the place of those recorded, which told of other
    goals. Row t earns by where its action leads, the state of row t + 1:

    - "sparse": 1 where the task says that the goal is reached, else 0;
    - "dense": minus the task's distance to the goal, in units of `unit`.

    With `ends`, the arrival at the goal ends the episode by its own rule (`terminated`), and what was
    recorded behind it is an episode of its own; pieces of a single row are left out. Where nothing ends,
    episodes are cut off (`truncated`), and what follows them is worth something.

    Args:
        episodes: With a column `state`, as a task's `collect` gives them.
        task: Says what is reached, and how far states are.
        goal: State to reach.
        kind: "sparse" or "dense".
        unit: Distance that costs 1, for "dense".
        ends: Whether the episode is over at the goal. Pictures on disk are then read into memory.

    Raises:
        ConfigError: If there is no `state`, or an option is unknown or out of range.
        ShapeError: If the goal is no state.
        DataError: If no piece of two rows is left, or a state or a distance is NaN or infinite.

    Example:
        ```python
        import numpy as np
        from leworld.tasks import get_task, with_rewards

        task = get_task("arm")
        episodes = with_rewards(task.collect(3), task, goal=np.zeros(2), kind="dense", unit=np.pi)
        assert -1 <= np.nanmin(episodes.columns["reward"]) and not episodes.columns["terminated"].any()
        ```
    """
    check_choice("with_rewards", "kind", kind, ("sparse", "dense"))
    check_number("with_rewards", "unit", unit, low=0.0, open_low=True)
    for name, value, due in (("episodes", episodes, Episodes), ("task", task, Task)):
        if not isinstance(value, due):
            raise ConfigError(
                f"with_rewards needs `{name}` to be a {due.__name__}",
                f"it is {describe(value)}",
                "Take for example `task = get_task('tworoom')` and `task.collect(100)`",
            )
    if "state" not in episodes.columns:
        raise ConfigError(
            "with_rewards needs episodes with a column `state`",
            f"they have {sorted(episodes.columns) or 'none'}",
            "Collect them with `task.collect`, or store the states with them",
        )
    states = np.asarray(episodes.columns["state"])
    _check_finite("`state`", states)
    wanted = check_float_array("with_rewards", "goal", goal, shape=" ".join(map(str, states.shape[1:])))
    there = np.asarray(task.reached(states.copy(), wanted[None].copy()), bool)
    if kind == "sparse":
        values = there.astype(np.float32)
    else:
        far = np.asarray(task.distance(states.copy(), wanted[None].copy()), np.float32)
        values = -far / np.float32(unit)
        _check_finite("the task's distance to the goal", values)
    lengths, kept = _pieces(episodes, there) if ends else (episodes.lengths, None)
    last = np.cumsum(lengths) - 1
    rows = np.arange(episodes.num_rows) if kept is None else kept
    reward = np.append(values[rows][1:], np.float32(np.nan))
    reward[last] = np.nan
    over, cut = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
    over[last] = there[rows[last]] & ends
    cut[last] = ~over[last]
    columns = {**episodes.columns, "reward": reward, "terminated": over, "truncated": cut}
    if kept is None:
        return replace(episodes, columns=columns)
    own = ("reward", "terminated", "truncated")
    columns = {name: column if name in own else column[kept] for name, column in columns.items()}
    actions = episodes.actions[kept].copy()
    actions[last] = np.nan
    pixels = None if episodes.pixels is None else episodes.pixels[kept]
    return replace(episodes, pixels=pixels, actions=actions, lengths=lengths, columns=columns)


def _check_finite(what: str, values: np.ndarray) -> None:
    bad = np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))
    if bad.size:
        raise DataError(
            f"with_rewards needs {what} to be finite in every row",
            f"{bad.size} of {len(values)} rows are NaN or infinite, the first is row {bad[0]}",
            "Leave these episodes out with `Episodes.select`, or record them again",
        )


def _pieces(episodes: Episodes, there: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return lengths and rows of the pieces of at least two rows that end at the goal, or with an episode."""
    lengths, kept = [], []
    for index in range(len(episodes)):
        rows = np.arange(episodes.num_rows)[episodes.rows(index)]
        for piece in np.split(rows, np.flatnonzero(there[rows]) + 1):
            if len(piece) > 1:
                lengths.append(len(piece))
                kept.append(piece)
    if not kept:
        raise DataError(
            "with_rewards needs episodes that move before they are at the goal",
            f"all {len(episodes)} are there in every row",
            "Choose another goal, or leave `ends` out",
        )
    return np.array(lengths), np.concatenate(kept)
