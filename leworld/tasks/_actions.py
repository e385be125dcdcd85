"""What the environments of tasks take as actions."""

import numpy as np

from .._checks import check_float_array, describe
from ..errors import ShapeError
from ._task import Task


def checked_actions(task: Task, actions: object, num_envs: int) -> np.ndarray:
    """Return actions (env, action), clipped to the task's limits, or numbers of choices (env,)."""
    count = task.action_choices
    if count is None:
        shape = f"{num_envs} {task.action_dim}"
        return np.clip(check_float_array(task.name, "actions", actions, shape=shape), *task.action_limits)
    index = np.asarray(actions)
    fits = index.shape == (num_envs,) and index.dtype.kind in "iu"
    if not fits or index.min() < 0 or index.max() >= count:
        raise ShapeError(
            f"{task.name} needs one choice for each of {num_envs} copies, from 0 to {count - 1}",
            f"`actions` is {describe(actions)}",
            "Pass numbers of choices, not one-hot rows",
        )
    return index


class Choices:
    """The space of a discrete action, as gymnasium describes one."""

    shape: tuple[int, ...] = ()
    start: int = 0

    def __init__(self, count: int) -> None:
        self.n = count
