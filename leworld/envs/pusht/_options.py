"""What the single and the vectorised Push-T share: starts, goals, actions and info."""

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np

from ..._checks import describe
from ...errors import ConfigError, ShapeError
from .._options import read_reset_options
from ._figure import SIZE
from ._limits import check_actions, check_states
from ._physics import REACH, PushTPhysics, one_turn

AGENT_STARTS, BLOCK_STARTS = (50.0, 450.0), (100.0, 400.0)


def draw_state(generator: np.random.Generator, physics: PushTPhysics) -> np.ndarray:
    """Return a state at rest as the published versions draw them, overlaps pushed apart a little."""
    agent, block, angle = generator.random(2), generator.random(2), generator.random()
    state = np.zeros(7)
    state[:2] = AGENT_STARTS[0] + agent * (AGENT_STARTS[1] - AGENT_STARTS[0])
    state[2:4] = BLOCK_STARTS[0] + block * (BLOCK_STARTS[1] - BLOCK_STARTS[0])
    state[4] = 2 * np.pi * angle
    physics.set_state(state, settle=True)
    return physics.state()


def draw_task(
    generator: np.random.Generator,
    physics: PushTPhysics,
    state: np.ndarray | None,
    goal: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return a start, at which the physics now stands, and a goal; a given one is kept.

    The same numbers are drawn whatever is given.
    """
    drawn_state, drawn_goal = draw_state(generator, physics), draw_state(generator, physics)
    physics.set_state(drawn_state if state is None else state)
    return physics.state(), drawn_goal if goal is None else goal


def read_options(
    owner: str, options: Mapping[str, Any] | None, *, num_envs: int | None
) -> dict[str, np.ndarray | None]:
    """Return the checked `state` and `goal` of reset's options as float64, and for vectors `reset_mask`."""
    shape = "7" if num_envs is None else f"{num_envs} 7"

    def read(name: str, value: Any) -> np.ndarray:
        array = check_states(owner, name, value, shape=shape)
        array[..., 4] = one_turn(array[..., 4])
        return array

    return read_reset_options(owner, options, read, num_envs=num_envs)


def check_choices(owner: str, choices: object) -> np.ndarray | None:
    """Return the actions to choose from as an array of its own, or None."""
    if choices is None:
        return None
    table = check_actions(owner, "action_choices", choices, shape="... 2")
    if table.ndim != 2 or not len(table):
        raise ShapeError(
            f"{owner} needs `action_choices` as a list of at least one pair (x, y)",
            f"it is {describe(choices)}",
            "Pass for example [(1, 0), (-1, 0), (0, 1), (0, -1)], or None for continuous actions",
        )
    table.flags.writeable = False
    return table


def action_space(choices: np.ndarray | None) -> gymnasium.Space[Any]:
    """Return the space of one environment's actions."""
    if choices is None:
        return gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)
    return gymnasium.spaces.Discrete(len(choices))


def read_actions(
    owner: str, actions: object, choices: np.ndarray | None, *, num_envs: int | None
) -> np.ndarray:
    """Return actions as float64 pairs, (2,) for one environment, looked up where there are choices."""
    name = "action" if num_envs is None else "actions"
    leading = [] if num_envs is None else [num_envs]
    if choices is None:
        shape = " ".join(str(axis) for axis in (*leading, 2))
        return check_actions(owner, name, actions, shape=shape)
    numbers = np.asarray(actions)
    if numbers.dtype.kind not in "iu" or list(numbers.shape) != leading:
        raise ShapeError(
            f"{owner} needs `{name}` to be {'an integer' if num_envs is None else f'{num_envs} integers'}, "
            "numbers of the actions to choose from",
            f"`{name}` is {describe(actions)}",
            f"Pass numbers from 0 to {len(choices) - 1}, or make the environment without `action_choices`",
        )
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < len(choices):
        raise ConfigError(
            f"{owner} needs `{name}` in 0 to {len(choices) - 1}, the numbers of the actions to choose from",
            f"one is {int(numbers.min() if numbers.min() < 0 else numbers.max())}",
            "Pass the number of one of the `action_choices`",
        )
    return choices[numbers]


def clipped(action: np.ndarray, state: np.ndarray) -> np.ndarray:
    """Return the action whose target is the nearest one inside the picture."""
    return (np.clip(state[:2] + REACH * action, 0.0, SIZE) - state[:2]) / REACH


def proprio(states: np.ndarray) -> np.ndarray:
    """Return what the agent feels of states (*batch, 7): its x, y and its velocity, (*batch, 4)."""
    return states[..., [0, 1, 5, 6]]
