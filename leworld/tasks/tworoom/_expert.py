"""The noisy heuristic that gathers TwoRoom's training data."""

from collections.abc import Mapping
from typing import Any, final

import numpy as np

from ..._checks import check_float_array, check_number, describe, plain_numbers
from ...envs import TwoRoomArena
from ...errors import ConfigError, ShapeError


@final
@plain_numbers
class ExpertPolicy:
    r"""Heads for the door when the goal is in the other room, then for the goal, with a lot of noise.

    Reach for it to gather training data, or without noise as a strong policy. The direction $u$ points to the
    next waypoint (one before the door, then one behind it, then the goal) and has length 1, or less so as not
    to overshoot. The action is $\mathrm{clip}(u + \sigma \epsilon, -1, 1)$ with standard normal $\epsilon$,
    and with probability $p$ the previous action of that agent instead. Of several doors it takes the one of
    the shortest way.

    Args:
        arena: The arena with its doors; the default arena when None.
        noise_std: Standard deviation $\sigma$ of the noise before clipping, at least 0.
        repeat_probability: Probability $p$ to repeat the previous action, in [0, 1].
        seed: Seed of the policy's own generator, see `reset`.

    Raises:
        ConfigError: A setting is out of its range, or `info` lacks `state` or `goal`.
        ShapeError: `state` or `goal` does not end in an axis of 2, or they differ in shape.

    Randomness: a numpy generator of its own. Equal seeds and equal numbers of agents give equal actions.

    Source: the data of LeWorldModel's TwoRoom (arXiv:2603.19312, App. E) come from such a policy; noise 2 and
    repetition 0.05 are the values of stable-worldmodel's collection script. There the policy heads for the
    middle of the door and turns to the goal when it is near; ours passes the door first, since the agent's
    size keeps it from cutting the corner. Its released version ignores the repetition.

    Example:
        ```python
        import numpy as np
        from leworld.tasks import ExpertPolicy

        policy = ExpertPolicy(noise_std=0.0)
        info = {"state": np.array([[60.0, 49.0]]), "goal": np.array([[160.0, 180.0]])}
        assert policy(info).tolist() == [[1.0, 0.0]]  # straight to the door
        ```
    """

    def __init__(
        self,
        arena: TwoRoomArena | None = None,
        *,
        noise_std: float = 2.0,
        repeat_probability: float = 0.05,
        seed: int = 0,
    ) -> None:
        check_number("ExpertPolicy", "noise_std", noise_std, low=0.0)
        check_number("ExpertPolicy", "repeat_probability", repeat_probability, low=0.0, high=1.0)
        self.arena = arena if arena is not None else TwoRoomArena()
        reach = self.arena.wall_thickness / 2 + self.arena.radius
        self._faces = (self.arena.wall - reach, self.arena.wall + reach)
        self.noise_std = float(noise_std)
        self.repeat_probability = float(repeat_probability)
        self.reset(seed)

    @plain_numbers
    def reset(self, seed: int) -> None:
        """Start over: a fresh generator from `seed`, and no previous action."""
        check_number("ExpertPolicy.reset", "seed", seed, low=0, integer=True)
        self._generator = np.random.default_rng(seed)
        self._previous: np.ndarray | None = None

    def __call__(self, info: Mapping[str, Any]) -> np.ndarray:
        """Return float32 actions (*batch, 2) for the positions `info["state"]` and goals `info["goal"]`."""
        state, goal = read_positions("ExpertPolicy", info, ("state", "goal"))
        way = self._waypoints(state.reshape(-1, 2), goal.reshape(-1, 2)).reshape(state.shape) - state
        length = np.sqrt((way**2).sum(axis=-1, keepdims=True))
        direction = way / np.maximum(length, self.arena.speed)
        noise = self._generator.normal(0.0, self.noise_std, size=state.shape)
        actions = np.clip(direction + noise, -1.0, 1.0).astype(np.float32)
        repeats = self._generator.random(state.shape[:-1]) < self.repeat_probability
        if self._previous is not None and self._previous.shape == actions.shape:
            actions = np.where(repeats[..., None], self._previous, actions)
        self._previous = actions.copy()
        return actions

    def _waypoints(self, state: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """Return where each agent should head now. Rooms are -1 (left) and 1 (right), 0 between the faces."""
        room, goal_room = self._room(state), self._room(goal)
        passages = np.array(self.arena.passages)
        middles = passages.mean(axis=1)
        own, goals_own = self._passage(state), self._passage(goal)
        middle_points = np.stack([np.full_like(middles, self.arena.wall), middles], axis=-1)
        shortest = (_distance(state, middle_points) + _distance(goal, middle_points)).argmin(axis=1)
        passage = np.where(room == 0, own, np.where(goal_room == 0, goals_own, shortest))
        low, high = passages[passage].T
        lined_up = (state[:, 1] >= low) & (state[:, 1] <= high)
        exit_side = np.where(goal_room != 0, goal_room, np.where(goal[:, 0] < self.arena.wall, -1, 1))
        # From a room: before the door until lined up with it, then behind it. From a passage: out of it.
        side = np.where(room == 0, exit_side, np.where(lined_up, -room, room))
        outside = self._faces[1] + self.arena.radius - self.arena.wall
        through = np.stack([self.arena.wall + side * outside, middles[passage]], axis=-1)
        together = (room == goal_room) & ((room != 0) | (own == goals_own))
        straight = together | ((room != 0) & (goal_room == 0) & lined_up)
        return np.where(straight[:, None], goal, through)

    def _room(self, points: np.ndarray) -> np.ndarray:
        x = points[:, 0]
        return (x >= self._faces[1]).astype(int) - (x <= self._faces[0])

    def _passage(self, points: np.ndarray) -> np.ndarray:
        """Return the index of the passage that each point's y is in or nearest to."""
        passages = np.array(self.arena.passages)
        y = points[:, 1, None]
        return np.maximum(passages[:, 0] - y, y - passages[:, 1]).argmin(axis=1)


def _distance(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.sqrt(((points[:, None] - others[None]) ** 2).sum(axis=-1))


def read_positions(owner: str, info: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[np.ndarray, ...]:
    """Return the named entries of `info` as float64 arrays (*batch, 2) of one shape."""
    if not isinstance(info, Mapping) or any(key not in info for key in keys):
        wanted = " and ".join(f"`{key}`" for key in keys)
        got = f"has the keys {sorted(info)}" if isinstance(info, Mapping) else f"is {describe(info)}"
        raise ConfigError(
            f"{owner} needs the environment's info with {wanted}",
            f"`info` {got}",
            "Pass what `reset` or `step` of a TwoRoom returned",
        )
    found = tuple(
        check_float_array(owner, f"info[{key!r}]", info[key], shape="... 2").astype(np.float64)
        for key in keys
    )
    if len({array.shape for array in found}) > 1:
        shapes = " and ".join(f"`{key}` {array.shape}" for key, array in zip(keys, found, strict=True))
        raise ShapeError(
            f"{owner} needs one shape for all positions", f"the shapes are {shapes}", "Match them"
        )
    return found
