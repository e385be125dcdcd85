"""The task around the two-link arm."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, final

import numpy as np

from ..._checks import check_number, plain_numbers
from ...envs import TwoLinkArm
from ...evaluation import Quantity
from .._registry import register
from .._state_task import StateTask

if TYPE_CHECKING:
    from .._recipe import Recipe


@final
@plain_numbers
class ArmTask(StateTask):
    """Turn both joints of a two-link arm to where the goal has them: `get_task("arm")`.

    A light stand-in for DM Control's Reacher as LeWorldModel plans in it, and easier than that in three ways:
    actions are velocities where Reacher's are torques, so nothing swings on; the tolerance is 0.3 rad (the
    turn of one block of 5 actions at full speed, 4.8 % of a full turn to each side) where the paper asks
    0.05; and angles wrap, so equal poses are equal, which the published criterion forgets. `ArmTask(0.05)`
    asks as much as the paper. A state is two angles, see `leworld.envs.TwoLinkArm`.

    Args:
        tolerance: Largest angle in radians by which each joint may be off.

    Raises:
        ConfigError: The tolerance is not above 0, or 3 and more.

    Example:
        ```python
        from leworld.tasks import ArmTask, get_task

        task = ArmTask(0.05)
        assert task.reached([3.12, 0.0], [-3.13, 0.02]) and not task.reached([0.0, 0.1], [0.0, 0.0])
        assert get_task("arm").reached([0.0, 0.1], [0.0, 0.0])
        ```
    """

    name = "arm"
    environment_id = "leworld/Arm-v0"
    action_dim = 2
    distance_unit = "rad"
    image_size = 32  # two links are told apart, at a quarter of the cost of 64
    shipped_model = "lewm-arm-tiny"

    def __init__(self, tolerance: float = 0.3) -> None:
        check_number("ArmTask", "tolerance", tolerance, low=0.0, high=3.0, open_low=True)
        self.tolerance = tolerance
        self.success_words = f"with both joints within {tolerance:g} rad of the goal's"
        self.arm = TwoLinkArm()

    @property
    def quantities(self) -> Mapping[str, Quantity]:
        """The angles of both joints."""
        return {name: Quantity("state", (i,), "angle") for i, name in enumerate(["shoulder", "elbow"])}

    @plain_numbers
    def draw_states(self, count: int, generator: np.random.Generator) -> np.ndarray:
        """Draw both angles uniformly."""
        return generator.uniform(-np.pi, np.pi, (count, 2))

    def step(self, states: np.ndarray, actions: np.ndarray, /) -> np.ndarray:
        """Turn the joints."""
        return self.arm.step(states, actions)

    def distance(self, state: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """Return how far the joint that is farther off has to turn, in radians."""
        return self.arm.distance(state, goal)

    def reached(self, state: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """Say whether both joints are within the tolerance, the shorter way round."""
        return np.asarray(self.distance(state, goal) <= self.tolerance)

    @plain_numbers
    def render(self, states: np.ndarray, image_size: int, /) -> np.ndarray:
        """Draw the arm."""
        return self.arm.render(states, image_size)

    def recipe(self) -> "Recipe":
        """Return the recipe of the shipped model."""
        from ...training import OptimizerSettings, TrainSettings
        from .._recipe import LeWMRecipe

        optimizer = OptimizerSettings(learning_rate=3e-3)
        return LeWMRecipe(
            task=self,
            embedding_dim=6,  # more are curled up, and distance then tells near goals only
            hidden_dim=256,
            regularizer_weight=0.05,
            encoder_norm="batch",
            settings=TrainSettings(num_steps=4000, batch_size=128, optimizer=optimizer, save_every=250),
        )


register(ArmTask())
