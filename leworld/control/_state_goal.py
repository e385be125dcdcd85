"""Goals that are told as states, and what any kind of goal becomes: latents."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import check_finite, describe
from ..data import Observation
from ..errors import ConfigError, ShapeError
from ..models import WorldModel, model_input
from ..nn import evaluation_mode


@final
@dataclass(frozen=True)
class StateGoal:
    """A goal told as states, one an environment, with the way from a state to something a model can use.

    A model knows pictures and embeddings, not states, so the caller says how one becomes the other: by a
    renderer, or by a network that was trained to map states to embeddings.

    Attributes:
        state: The states to reach, in the world's units.
        convert: Called once, with a copy of `state`. Returns uint8 frames (env, height, width, channel) or an
            `Observation`, which are encoded like an observed goal, or a tensor of latents (env, *latent),
            which is the goal itself.

    Raises:
        ShapeError: If `state` is no floating-point array (env, state).
        ConfigError: If `convert` is no function.

    Example:
        ```python
        import numpy as np
        from leworld.control import StateGoal

        def paint(states):
            return np.broadcast_to(states[:, :1, None, None] * 255, (len(states), 8, 8, 3)).astype(np.uint8)

        goal = StateGoal(np.array([[0.0], [1.0]]), paint)
        assert len(goal) == 2
        ```
    """

    state: Float[np.ndarray, "env state"]
    convert: Callable[[np.ndarray], np.ndarray | Observation | Tensor]

    def __post_init__(self) -> None:
        state = self.state
        if not isinstance(state, np.ndarray) or state.dtype.kind != "f" or state.ndim != 2:
            raise ShapeError(
                "StateGoal needs `state` as a floating-point array (env, state)",
                f"`state` is {describe(state)}",
                "Pass one state an environment, a single one as `state[None]`",
            )
        if not callable(self.convert):
            raise ConfigError(
                "StateGoal needs `convert` to be a function of the states",
                f"it is {describe(self.convert)}",
                "Pass a renderer (states -> uint8 frames) or an encoder (states -> embeddings)",
            )
        object.__setattr__(self, "state", state.copy())

    def __len__(self) -> int:
        return len(self.state)


Goal: TypeAlias = Observation | Tensor | StateGoal


def goal_latents(owner: str, goal: Goal, model: WorldModel) -> Tensor:
    """Return latents (env, *latent) of their own, on the model's device or where the goal's were."""
    if isinstance(goal, Observation):
        return _encoded(owner, goal, model)
    found: object = goal
    if isinstance(goal, StateGoal):
        found = goal.convert(goal.state.copy())
        if not isinstance(found, np.ndarray | Tensor | Observation) or len(found) != len(goal):
            raise ShapeError(
                f"{owner} needs `StateGoal.convert` to return {len(goal)} frames or latents, one a state",
                f"it returned {describe(found)}",
                "Return uint8 frames, an Observation, or a tensor (env, *latent)",
            )
        if isinstance(found, np.ndarray | Observation):
            seen = found if isinstance(found, Observation) else Observation(found)
            return _encoded(owner, seen, model)
    due = tuple(model.latent_shape)
    if not isinstance(found, Tensor) or not found.is_floating_point() or tuple(found.shape[1:]) != due:
        raise ShapeError(
            f"{owner} needs goal latents as floating-point (env, *latent) with latent_shape={due}",
            f"the goal is {describe(found)}",
            "`encode` returns a time axis; drop it with `[:, -1]`",
        )
    _check_some(owner, found)
    check_finite(owner, "goal", found, fix="Check the frames that were encoded and the model's weights")
    return found.detach().clone()


@torch.no_grad()
def _encoded(owner: str, goal: Observation, model: WorldModel) -> Tensor:
    _check_some(owner, goal)
    with evaluation_mode(model):
        return model.encode(model_input(model, goal).map(lambda part: part.unsqueeze(1)))[:, 0]


def _check_some(owner: str, goal: Observation | Tensor) -> None:
    if not len(goal):
        raise ShapeError(
            f"{owner} needs at least one goal", f"the goal is {describe(goal)}", "Pass one an environment"
        )
