"""A task whose world is an environment that is stepped one copy at a time."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from ..._checks import check_choice, check_number, plain_numbers
from ..._random import fold_seed
from ..._typing import MaybeNone
from ...control import Policy
from ...data import Episodes, collect
from ...evaluation import GoalEnvironment, GoalPairs, Quantity, StateRadius, StateWorld, Success
from ...planners import Planner
from .._smooth_policy import SmoothPolicy
from .._task import HELD_OUT, CollectingPolicy, Task
from ._copies import Copies, Episodic, GoalCopies
from ._state_access import StateAccess
from ._world import CopyWorld

_COLLECTED_SIDE_BY_SIDE = 8  # copies take turns anyway


class EnvironmentTask(Task, ABC):
    """A task made of single environments that render and can be set to a state.

    What `make_one` returns has gymnasium's `reset(seed=)`, `step(action)` and `render()`. Episodes that the
    environment ends stay where they ended while a goal is pursued, and end there when data are collected.
    """

    success: Success
    access: StateAccess
    has_oracle: bool = False

    @abstractmethod
    def make_one(self, index: int) -> Any:
        """Make copy number `index` of the environment."""

    @cached_property
    def first(self) -> Any:
        """A started copy that nobody plays in."""
        env = self.make_one(0)
        env.reset(seed=0)
        return env

    def hint(self, env: Any) -> dict[str, np.ndarray]:
        """Tell the collecting policy alone something about a copy, vectors by name; nothing by default."""
        return {}

    def native_action(self, action: np.ndarray) -> Any:
        """Return a raw action, or the number of a choice, as the environment's `step` takes it."""
        return action

    def distance(self, state: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """Return how far states are from goals, by the rule."""
        return self.success.distance(np.asarray(state), np.asarray(goal))

    def reached(self, state: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """Say of states whether they are at their goals, by the rule."""
        return self.success.reached(np.asarray(state), np.asarray(goal))

    @plain_numbers
    def make(self, num_envs: int, image_size: int | None = None) -> GoalEnvironment:
        """Make copies of the environment that are never reset by themselves."""
        return GoalCopies(self._copies(num_envs, image_size))

    def collecting_policy(self) -> CollectingPolicy:
        """Smooth random actions between the limits, or choices that last for a while."""
        return SmoothPolicy(
            self.action_dim, action_limits=self.action_limits, action_choices=self.action_choices
        )

    @property
    def world(self) -> StateWorld:
        """The environment itself, moved and drawn by a copy of its own."""
        return CopyWorld(self)

    @plain_numbers
    def oracle(self, planner: Planner, *, frameskip: int, seed: int = 0) -> Policy | MaybeNone:
        """Plan with the environment itself, where the task was asked to: each candidate costs its steps."""
        return super().oracle(planner, frameskip=frameskip, seed=seed) if self.has_oracle else None

    @property
    def quantities(self) -> Mapping[str, Quantity]:
        """The state, angles apart where the rule of success names them."""
        rule = self.success
        if not isinstance(rule, StateRadius) or not rule.angles:
            return {"state": Quantity("state")}
        angular: tuple[int, ...] = rule.angles
        size = int(np.size(self.access.get(self.first)))
        rest = tuple(place for place in range(size) if place not in angular)
        angles = {f"angle {place}": Quantity("state", (place,), "angle") for place in angular}
        return ({"state": Quantity("state", rest)} if rest else {}) | angles

    def _copies(self, num_envs: int, image_size: int | None) -> Copies:
        return Copies(self, num_envs, self.image_size if image_size is None else image_size)

    @plain_numbers
    def pairs(
        self, protocol: str, num_pairs: int = 100, *, episodes: Episodes | None = None, seed: int = 0
    ) -> GoalPairs:
        """Draw start and goal pairs; the episodes of `held_out` are gathered without pictures."""
        if episodes is None:
            check_choice(f"{type(self).__name__}.pairs", "protocol", protocol, self.protocols)
            check_number(f"{type(self).__name__}.pairs", "num_pairs", num_pairs, low=1, integer=True)
            copies = Copies(self, min(_COLLECTED_SIDE_BY_SIDE, num_pairs), 1, blind=True)
            episodes = self._record(copies, num_pairs, fold_seed(seed, HELD_OUT), False)
        return super().pairs(protocol, num_pairs, episodes=episodes, seed=seed)

    def _gather(self, num_episodes: int, seed: int, image_size: int | None, progress: bool) -> Episodes:
        check_number("Task.collect", "num_episodes", num_episodes, low=1, integer=True)
        copies = self._copies(min(_COLLECTED_SIDE_BY_SIDE, num_episodes), image_size)
        return self._record(copies, num_episodes, seed, progress)

    def _record(self, copies: Copies, num_episodes: int, seed: int, progress: bool) -> Episodes:
        try:
            return collect(
                Episodic(copies, self.episode_steps),
                self.collecting_policy(),
                num_episodes=num_episodes,
                seed=seed,
                environment_id=self.environment_id,
                progress=progress,
            )
        finally:
            copies.close()
