"""Acting without a search."""

from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import check_number, plain_numbers
from .._typing import Limits, shapechecked
from ..data import Observation
from ..errors import ShapeError
from ..models import WorldModel, to_weights
from ..nn import evaluation_mode
from ._block_policy import BlockPolicy
from ._inverse_model import GoalConditionedInverseModel
from ._state_goal import Goal, goal_latents


@final
@plain_numbers
class InversePolicy(BlockPolicy):
    """Does what a goal-conditioned inverse model says, one action block after another.

    Every `frameskip` steps a frame is encoded and the network is asked once, for all environments together.
    It is told that the goal is due in `horizon` blocks when an episode begins, one fewer after each block,
    and in 1 from then on. Nothing is searched or imagined: a decision costs an encoding and a small network.

    Args:
        model: Encodes frames; its `processor` converts pixels and actions.
        inverse: Trained on this model's embeddings and blocks. Run in evaluation mode.
        horizon: Blocks until the goal, counted from the reset.
        action_limits: Lowest and highest raw action, each a number or one a component; actions are clipped.

    Raises:
        ConfigError: If the two do not fit together or a setting is out of range.
        ShapeError: If an observation does not fit the environments that `reset` was called for.

    Example:
        ```python
        import numpy as np
        from leworld.control import GoalConditionedInverseModel, InversePolicy
        from leworld.data import Observation, Processor
        from leworld.models import WorldModel

        class Brightness(WorldModel):
            history_size, latent_shape, action_dim = 1, (1,), 1

            def _encode(self, observations):
                return observations.mean((2, 3, 4))[..., None]

            def _predict(self, latents, actions):
                return latents + actions

            def _loss(self, batch, generator):
                raise NotImplementedError

        model = Brightness()
        model.processor = Processor(8, frameskip=1, action_dim=1, action_mean=(0.0,), action_std=(1.0,))
        policy = InversePolicy(model, GoalConditionedInverseModel(1, 1, hidden_dim=8))
        frame = Observation(np.zeros((3, 8, 8, 3), np.uint8))
        policy.reset(frame)
        assert policy.act(frame).shape == (3, 1)
        ```
    """

    def __init__(
        self,
        model: WorldModel,
        inverse: GoalConditionedInverseModel,
        *,
        horizon: int = 10,
        action_limits: Limits = (-1.0, 1.0),
    ) -> None:
        super().__init__(model, action_limits)
        inverse.check_fits(model, owner="InversePolicy")
        check_number("InversePolicy", "horizon", horizon, low=1, integer=True)
        self._inverse = inverse
        self._horizon = horizon
        self._goal = torch.zeros(0, *model.latent_shape, dtype=torch.float32, device="cpu")

    @shapechecked
    def reset(self, goal: Goal) -> None:
        """Begin new episodes in all environments, toward a goal of any kind that `MPCPolicy.reset` takes."""
        self._goal = to_weights(self._model, goal_latents("InversePolicy.reset", goal, self._model))
        self._start()

    @shapechecked
    def act(self, observation: Observation) -> Float[np.ndarray, "env action"]:
        """Return the next raw action of every environment."""
        if len(observation) != len(self._goal):
            raise ShapeError(
                f"InversePolicy.act needs to see the {len(self._goal)} environments it was reset for",
                f"`observation` has env={len(observation)}",
                "Call `reset(goal)` with one goal an environment first",
            )
        return self._act(observation)

    def _blocks(self, latents: Tensor, num_blocks: int) -> Tensor:
        left = max(1, self._horizon - num_blocks)
        remaining = torch.full((len(latents),), left, dtype=torch.int64, device=latents.device)
        with evaluation_mode(self._inverse):
            return self._inverse(latents, self._goal.clone(), remaining)
