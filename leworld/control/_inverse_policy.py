"""Acting without a search."""

from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import check_number
from .._typing import shapechecked
from ..costs import evaluation_mode
from ..data import Observation
from ..errors import ConfigError, ShapeError
from ..models import WorldModel
from ._box import action_box
from ._eyes import encode_frames, processor_of, with_weights
from ._inverse_model import GoalConditionedInverseModel
from ._policy import Policy
from ._state_goal import Goal, goal_embeddings


@final
class InversePolicy(Policy):
    """Does what a goal-conditioned inverse model says, one action block after another.

    Every `frameskip` steps a frame is encoded and the network is asked once, for all environments together.
    It is told that the goal is due in `horizon` blocks when an episode begins, one fewer after each block,
    and in 1 from then on. Nothing is searched or imagined: a decision costs an encoding and a small network.

    Args:
        model: Encodes frames; its `processor` converts pixels and actions.
        inverse: Trained on this model's embeddings and blocks. Run in evaluation mode.
        horizon: Blocks until the goal, counted from the reset.
        action_low: Lower limit of raw actions, a number or one a component; actions are clipped.
        action_high: Upper limit.

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
            history_size, embedding_dim, action_dim = 1, 1, 1

            def _encode(self, observations):
                return observations.mean((2, 3, 4))[..., None]

            def _predict(self, embeddings, actions):
                return embeddings + actions

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
        action_low: float | Sequence[float] | np.ndarray = -1.0,
        action_high: float | Sequence[float] | np.ndarray = 1.0,
    ) -> None:
        self._processor = processor_of("InversePolicy", model)
        check_fits("InversePolicy", model, inverse)
        check_number("InversePolicy", "horizon", horizon, low=1, integer=True)
        self._low, self._high = action_box(
            "InversePolicy", action_low, action_high, self._processor.action_dim, finite=False
        )
        self._model = model
        self._inverse = inverse
        self._horizon = horizon
        self._goal = torch.zeros(0, model.embedding_dim)
        self._queue: list[np.ndarray] = []
        self._blocks = 0

    @shapechecked
    def reset(self, goal: Goal) -> None:
        """Begin new episodes in all environments, toward a goal of any kind that `MPCPolicy.reset` takes."""
        found = goal_embeddings("InversePolicy.reset", goal, self._encode, self._model.embedding_dim)
        self._goal = with_weights(self._model, found)
        self._queue, self._blocks = [], 0

    @shapechecked
    def act(self, observation: Observation) -> Float[np.ndarray, "env action"]:
        """Return the next raw action of every environment."""
        if len(observation) != len(self._goal):
            raise ShapeError(
                f"InversePolicy.act needs to see the {len(self._goal)} environments it was reset for",
                f"`observation.pixels` has env={len(observation)}",
                "Call `reset(goal)` with one goal an environment first",
            )
        if not self._queue:
            self._queue = self._next_block(self._encode(observation.pixels))
        return self._queue.pop(0)

    @torch.no_grad()
    def _next_block(self, embeddings: Tensor) -> list[np.ndarray]:
        left = max(1, self._horizon - self._blocks)
        remaining = torch.full((len(embeddings),), left, device=embeddings.device)
        with evaluation_mode(self._inverse):
            block = self._inverse(embeddings, self._goal, remaining)
        self._blocks += 1
        raw = self._processor.raw_actions(block.float().cpu()).numpy()
        return list(raw.clip(self._low, self._high).swapaxes(0, 1))

    def _encode(self, pixels: np.ndarray) -> Tensor:
        return encode_frames(self._model, self._processor, pixels)


def check_fits(owner: str, model: WorldModel, inverse: GoalConditionedInverseModel) -> None:
    """Raise `ConfigError` unless the inverse model was built for this model's embeddings and blocks."""
    if (inverse.embedding_dim, inverse.action_dim) != (model.embedding_dim, model.action_dim):
        raise ConfigError(
            f"{owner} needs an inverse model for embedding_dim={model.embedding_dim} and "
            f"action_dim={model.action_dim}",
            f"it has {inverse.embedding_dim} and {inverse.action_dim}",
            "Train it on the embeddings and blocks of this very model",
        )
