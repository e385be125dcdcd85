"""The dynamics and pictures of states by one environment that is set to each of them in turn."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import ConfigError
from ._copies import picture, read_state

if TYPE_CHECKING:
    from ._task import EnvironmentTask


class CopyWorld:
    """A copy of a task's environment that no one plays in; it takes one state after the other."""

    def __init__(self, task: "EnvironmentTask") -> None:
        self.task = task
        self.env: Any = task.first

    def step(self, positions: np.ndarray, actions: np.ndarray, /) -> np.ndarray:
        """Return the states "... state" after one raw action each."""
        task, positions = self.task, np.asarray(positions)
        actions = np.asarray(actions)
        lead = np.broadcast_shapes(positions.shape[:-1], actions.shape[:-1])
        states = np.broadcast_to(positions, (*lead, positions.shape[-1])).reshape(-1, positions.shape[-1])
        moves = np.broadcast_to(actions, (*lead, actions.shape[-1])).reshape(-1, actions.shape[-1])
        after = np.empty(states.shape, np.float64)
        for row, (state, move) in enumerate(zip(states, moves, strict=True)):
            task.access.set(self.env, np.array(state, np.float64))
            chosen = np.clip(move, *task.action_limits) if task.action_choices is None else np.argmax(move)
            _, _, terminated, truncated, _ = self.env.step(task.native_action(np.asarray(chosen)))
            after[row] = read_state(task, self.env)
            if terminated or truncated:  # an ended episode must not be stepped
                self.env.reset()
        return after.reshape(*lead, -1)

    def render(self, positions: np.ndarray, image_size: int, /) -> np.ndarray:
        """Return uint8 pictures "... height width channel" of states."""
        states = np.asarray(positions)
        shown = np.empty((states[..., 0].size, image_size, image_size, 3), np.uint8)
        for row, state in enumerate(states.reshape(-1, states.shape[-1])):
            self.task.access.set(self.env, np.array(state, np.float64))
            shown[row] = picture(self.task, self.env, image_size)
        return shown.reshape(*states.shape[:-1], *shown.shape[1:])


def check_access(task: "EnvironmentTask", env: Any) -> None:
    """Raise unless a state that was read can be set again."""
    states = []
    for seed in (0, 1):
        env.reset(seed=seed)
        states.append(read_state(task, env))
    for state in states:
        task.access.set(env, state.copy())
        if not np.allclose(read_state(task, env), state, rtol=1e-5, atol=1e-5):
            raise ConfigError(
                "from_gymnasium needs `set_state` to put the environment into the state that it is given",
                "`get_state` returns another one afterwards",
                "Set everything that `get_state` returns",
            )
