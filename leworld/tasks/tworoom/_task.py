"""The task around TwoRoom."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, final

import numpy as np

from ..._checks import check_number, describe, plain_numbers
from ..._random import fold_seed
from ...data import Episodes
from ...envs import TwoRoomArena
from ...errors import ConfigError
from ...evaluation import Backdrop, GoalEnvironment, GoalPairs, GoalSteps, Quantity
from .._registry import register
from .._task import Task
from ._held_out import two_room_held_out
from ._pairs import PROTOCOLS, draw_in_rooms, two_room_pairs, two_room_steps
from ._wander import WanderingExpert, collect_errands

if TYPE_CHECKING:
    from .._recipe import Recipe

_DATA, _STARTS = 1, 3  # streams of seeds, the first that of the recipe
_DOORWAY = 12.0
_PICTURE_SIZE = 224


@final
class TwoRoomTask(Task):
    """Reach a point in two rooms with a door between: the task of the model that ships with leworld.

    `get_task("tworoom")` is the one with the usual door. Protocols are those of `two_room_pairs`, and the
    fixed goal is the middle of the right room.

    Args:
        arena: Geometry; default: the arena with its usual door.

    Raises:
        ConfigError: Something else than an arena.

    Example:
        ```python
        from leworld.envs import TwoRoomArena
        from leworld.tasks import TwoRoomTask

        task = TwoRoomTask(TwoRoomArena([(49, 14), (170, 10)]))
        pairs = task.pairs("cross-door", 10, seed=3)
        assert ((pairs.start[:, 0] < 112) != (pairs.goal[:, 0] < 112)).all()
        ```
    """

    name = "tworoom"
    environment_id = "leworld/TwoRoom-v0"
    action_dim = 2
    protocols = PROTOCOLS
    success_radius = TwoRoomArena.success_radius
    distance_unit = "arena units"
    fixed_goal = (164.0, 112.0)
    shipped_model = "lewm-tworoom-tiny"

    def __init__(self, arena: TwoRoomArena | None = None) -> None:
        if arena is not None and not isinstance(arena, TwoRoomArena):
            raise ConfigError(
                "TwoRoomTask needs `arena` to be a `leworld.envs.TwoRoomArena`",
                f"it is {describe(arena)}",
                "Pass for example TwoRoomArena([(49, 14)]), or none",
            )
        self.arena = TwoRoomArena() if arena is None else arena

    @plain_numbers
    def make(self, num_envs: int, image_size: int | None = None) -> GoalEnvironment:
        """Make copies of TwoRoom that go on for ever. Needs gymnasium."""
        from ...envs import TwoRoomVector

        return TwoRoomVector(
            num_envs,
            self.arena.doors,
            image_size=self.image_size if image_size is None else image_size,
            max_episode_steps=None,
            autoreset_mode="Disabled",
        )

    def collecting_policy(self) -> WanderingExpert:
        """The recipe's policy: an expert with errands all over both rooms."""
        return WanderingExpert(self.arena)

    @property
    def world(self) -> TwoRoomArena:
        """The arena."""
        return self.arena

    @property
    def quantities(self) -> Mapping[str, Quantity]:
        """The agent's position."""
        return {"position": Quantity("state")}

    @plain_numbers
    def collect(
        self,
        num_episodes: int = 1000,
        *,
        seed: int = 0,
        image_size: int | None = None,
        progress: bool = False,
    ) -> Episodes:
        """Gather the episodes that `TwoRoomRecipe` trains on, with the same seed."""
        size = self.image_size if image_size is None else image_size
        policy, seed = self.collecting_policy(), fold_seed(seed, _DATA)
        return collect_errands(policy, num_episodes, image_size=size, seed=seed, progress=progress)

    @plain_numbers
    def held_out(
        self,
        num_episodes: int = 100,
        *,
        seed: int = 0,
        image_size: int | None = None,
        progress: bool = False,
    ) -> Episodes:
        """Gather episodes of the noisy expert, see `two_room_held_out`."""
        size = self.image_size if image_size is None else image_size
        return two_room_held_out(
            num_episodes, arena=self.arena, image_size=size, seed=seed, progress=progress
        )

    @plain_numbers
    def pairs(
        self, protocol: str, num_pairs: int = 100, *, episodes: Episodes | None = None, seed: int = 0
    ) -> GoalPairs:
        """Draw pairs of one of the three protocols, see `two_room_pairs`."""
        if protocol == "trajectory-25" and episodes is None:
            episodes = self.held_out(num_pairs, seed=seed)
        return two_room_pairs(protocol, num_pairs, episodes=episodes, arena=self.arena, seed=seed)

    @plain_numbers
    def fixed_goal_pairs(
        self, num_pairs: int = 100, *, episodes: Episodes | None = None, seed: int = 0
    ) -> GoalPairs:
        """Draw starts uniform in both rooms, with a budget of 100 steps: the farthest way takes 57."""
        check_number("TwoRoomTask.fixed_goal_pairs", "num_pairs", num_pairs, low=1, integer=True)
        states = draw_in_rooms(
            self.arena, 2 * num_pairs + 100, np.random.default_rng(fold_seed(seed, _STARTS))
        )
        return self._to_fixed_goal(states, num_pairs, seed, budget=100)

    def normal_events(self, episodes: Episodes) -> Mapping[str, np.ndarray]:
        """Passing the door: possible, rare and hard to foresee."""
        if "state" not in episodes.columns:
            return {}
        place = np.asarray(episodes.columns["state"])[:, 0]
        return {"at the door": np.abs(place - self.arena.wall) < _DOORWAY}

    @plain_numbers
    def goal_steps(self, num_steps: int = 2000, *, seed: int = 0) -> GoalSteps:
        """Draw steps at full speed straight toward goals in the same room, by distance."""
        return two_room_steps(self.arena, num_steps, seed=seed)

    def backdrop(self) -> Backdrop:
        """The walls."""
        borders = (0.0, float(self.arena.size))
        return Backdrop(self.arena.painter(_PICTURE_SIZE).background, x=borders, y=borders)

    def recipe(self) -> "Recipe":
        """The shipped model's recipe, for the usual door."""
        from ._recipe import TwoRoomRecipe

        return TwoRoomRecipe()


register(TwoRoomTask())
