"""What the single and the vectorised environment share: starts, goals, options and spaces."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..._checks import check_float_array, check_number, describe, nearest, quoted
from ...errors import ConfigError
from . import _geometry as geometry
from ._arena import TwoRoomArena

RENDER_SIZE = 224
KEYS = ("state", "goal")


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
    if not isinstance(options, Mapping | None):
        raise ConfigError(
            f"{owner} needs `options` to be a mapping",
            f"it is {describe(options)}",
            "Pass for example {'goal': (0.8, 0.2)}",
        )
    given = dict(options or {})
    known = KEYS if num_envs is None else (*KEYS, "reset_mask")
    for key in given:
        if key not in known:
            raise ConfigError(
                f"{owner} needs the keys of `options` to be among {quoted(known)}",
                f"`options` has the key {key!r}",
                nearest(str(key), known),
            )
    shape = "2" if num_envs is None else f"{num_envs} 2"
    found: dict[str, np.ndarray | None] = {}
    for key in KEYS:
        found[key] = None
        if given.get(key) is not None:
            array = check_float_array(owner, f"options[{key!r}]", given[key], shape=shape)
            found[key] = arena.check_free(owner, f"options[{key!r}]", array.astype(np.float32))
    mask = given.get("reset_mask")
    if mask is not None:
        mask = np.asarray(mask)
        if mask.shape != (num_envs,) or mask.dtype != np.bool_:
            raise ConfigError(
                f"{owner} needs `options['reset_mask']` to hold {num_envs} booleans",
                f"it is {describe(mask)}",
                "Pass one boolean for each environment",
            )
    found["reset_mask"] = mask
    return found


def check_seed(owner: str, seed: object) -> None:
    """Raise unless `seed` is None or an integer that a generator takes."""
    if seed is not None:
        check_number(owner, "seed", seed, low=0, integer=True)


def check_started(owner: str, started: bool) -> None:
    """Raise unless an episode has begun."""
    if not started:
        raise ConfigError(
            f"{owner} needs a started episode", "`reset` was never called", "Call `reset()` first"
        )


def check_render_mode(owner: str, mode: str | None) -> None:
    """Raise unless `mode` is None or "rgb_array"."""
    if mode not in (None, "rgb_array"):
        raise ConfigError(
            f"{owner} needs `render_mode` to be `rgb_array` or None",
            f"`render_mode={mode!r}` was given",
            "Use `rgb_array` and show the returned picture",
        )
