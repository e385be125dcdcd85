"""The policy that gathers the recipe's data: an expert with errands all over both rooms."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..._random import fold_seed
from ...data import Episodes, collect
from ...envs import TwoRoomArena
from ._expert import ExpertPolicy, read_positions

_ARRIVED = 8.0
_JUMP = 6.0  # more than a step: the agent has been reset
_PATIENCE = 30
_NOISE_STDS = (0.5, 1.0, 2.0)
_AROUND_DOOR = 60.0
_SIDE_BY_SIDE = 50


class WanderingExpert:
    """Runs errands all over both rooms, some as the expert does and some straight into the walls.

    A model that shall plan from anywhere to anywhere needs data from everywhere, and one that is to be
    searched for its best plan needs to know what does not work: a planner finds every hole that the data left
    in a wall. Each errand has a target uniform over the arena, one of three noise levels, and with
    probability `straight_share` no regard for the wall. It ends on arrival or after 30 steps. The task's own
    goals are ignored.
    """

    def __init__(
        self, arena: TwoRoomArena | None = None, *, straight_share: float = 0.5, door_share: float = 0.5
    ) -> None:
        self.arena = TwoRoomArena() if arena is None else arena
        self.guide = ExpertPolicy(self.arena, noise_std=0.0, repeat_probability=0.0)
        self.straight_share = straight_share
        self.door_share = door_share
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Start over: a fresh generator and no errands."""
        self._generator = np.random.default_rng(fold_seed(seed))
        self._before: np.ndarray | None = None

    def __call__(self, info: Mapping[str, Any]) -> np.ndarray:
        """Return actions for the positions `info["state"]` of a vectorised environment."""
        (checked,) = read_positions("WanderingExpert", info, ("state",))  # before anything is drawn
        state = checked.astype(np.float32)
        if self._before is None:
            self._target, self._noise = np.zeros_like(state), np.zeros(len(state))
            self._straight, self._left = np.zeros(len(state), bool), np.zeros(len(state), int)
            done = np.ones(len(state), bool)
        else:
            jumped = np.abs(state - self._before).max(axis=1) > _JUMP
            arrived = np.linalg.norm(state - self._target, axis=1) < _ARRIVED
            done = jumped | arrived | (self._left <= 0)
        self._renew(done)
        self._left -= 1
        self._before = state
        way = self._target - state
        heading = way / np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-8)
        guided = self.guide({"state": state, "goal": self._target})
        direction = np.where(self._straight[:, None], heading, guided)
        noise = self._generator.normal(size=direction.shape) * self._noise[:, None]
        return np.clip(direction + noise, -1.0, 1.0).astype(np.float32)

    def _renew(self, done: np.ndarray) -> None:
        count = int(done.sum())
        near = self._generator.random(count) < self.door_share
        self._target[done] = np.where(near[:, None], self._draw(count, near=True), self._draw(count))
        self._noise[done] = self._generator.choice(_NOISE_STDS, size=count)
        self._straight[done] = self._generator.random(count) < self.straight_share
        self._left[done] = _PATIENCE

    def _draw(self, count: int, *, near: bool = False) -> np.ndarray:
        centre, _ = self.arena.doors[0]
        door = np.array([self.arena.size / 2, centre])
        drawn = np.empty((0, 2), np.float32)
        while len(drawn) < count:
            found = self._generator.uniform(0.0, self.arena.size, size=(4 * count, 2)).astype(np.float32)
            wanted = self.arena.is_free(found)
            if near:
                wanted &= np.abs(found - door).max(axis=1) < _AROUND_DOOR
            drawn = np.concatenate([drawn, found[wanted]])
        return drawn[:count]


def collect_errands(
    policy: WanderingExpert, num_episodes: int, *, image_size: int, seed: int, progress: bool
) -> Episodes:
    """Gather episodes of errands; they end at the environment's own goals, or after 100 steps."""
    from ...envs import TwoRoomVector

    env = TwoRoomVector(min(_SIDE_BY_SIDE, num_episodes), policy.arena.doors, image_size=image_size)
    return collect(
        env,
        policy,
        num_episodes=num_episodes,
        seed=seed,
        environment_id="leworld/TwoRoom-v0",
        progress=progress,
    )
