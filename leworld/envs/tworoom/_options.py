"""What the single and the vectorised environment share: starts, goals, options and spaces."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..._checks import check_float_array
from .._options import read_reset_options
from . import _geometry as geometry
from ._arena import TwoRoomArena


def draw_task(
    generator: np.random.Generator, state: np.ndarray | None, goal: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return a start and a goal, float32, in different rooms and uniform over a room; a given one is kept.

    The same five numbers are drawn whatever is given.
    """
    side, *shares = generator.random(5)
    goes_right = side < 0.5
    if state is not None:
        goes_right = state[0] < geometry.WALL
    elif goal is not None:
        goes_right = goal[0] >= geometry.WALL
    if state is None:
        state = _in_room(shares[:2], right=not goes_right)
    if goal is None:
        goal = _in_room(shares[2:], right=goes_right)
    return state.astype(np.float32), goal.astype(np.float32)


def _in_room(shares: list[float], *, right: bool) -> np.ndarray:
    low, high = (geometry.RIGHT_FACE, geometry.HIGH) if right else (geometry.LOW, geometry.LEFT_FACE)
    x = low + shares[0] * (high - low)
    return np.array([x, geometry.LOW + shares[1] * (geometry.HIGH - geometry.LOW)])


def read_options(
    arena: TwoRoomArena, owner: str, options: Mapping[str, Any] | None, *, num_envs: int | None
) -> dict[str, np.ndarray | None]:
    """Return the checked `state` and `goal` of reset's options as float32, with a leading axis for vectors.

    For vectors also `reset_mask`, gymnasium's choice of the environments to reset.
    """
    shape = "2" if num_envs is None else f"{num_envs} 2"

    def read(name: str, value: Any) -> np.ndarray:
        with np.errstate(over="ignore"):  # what is too large for float32 is told as infinite
            array = check_float_array(owner, name, value, shape=shape).astype(np.float32)
        return arena.check_free(owner, name, array)

    return read_reset_options(owner, options, read, num_envs=num_envs)


def read_actions(owner: str, name: str, actions: object, *, shape: str) -> np.ndarray:
    """Return actions as float32, clipped to what an agent can do."""
    return np.clip(check_float_array(owner, name, actions, shape=shape), -1.0, 1.0).astype(np.float32)
