"""Goals that are told as states, and what any kind of goal becomes: embeddings."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
from jaxtyping import Float
from torch import Tensor

from .._checks import check_finite, describe
from ..data import Observation
from ..errors import ConfigError, ShapeError


@final
@dataclass(frozen=True)
class StateGoal:
    """A goal told as states, one an environment, with the way from a state to something a model can use.

    A model knows pictures and embeddings, not states, so the caller says how one becomes the other: by a
    renderer, or by a network that was trained to map states to embeddings.

    Attributes:
        state: The states to reach, in the world's units.
        convert: Called once, with `state`. Returns uint8 frames (env, height, width, channel), which are
            encoded like an image goal, or a tensor of embeddings (env, dim), which is the goal itself.

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
    convert: Callable[[np.ndarray], np.ndarray | Tensor]

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

    def __len__(self) -> int:
        return len(self.state)


Goal: TypeAlias = Observation | Tensor | StateGoal


def goal_embeddings(owner: str, goal: Goal, encode: Callable[[np.ndarray], Tensor], dim: int) -> Tensor:
    """Return the embeddings (env, dim) of a goal of any kind.

    Args:
        owner: Who asks, for the error messages.
        goal: Frames, embeddings, or states.
        encode: uint8 frames (env, height, width, channel) -> embeddings (env, dim).
        dim: The model's embedding size.
    """
    if isinstance(goal, Observation):
        return encode(goal.pixels)
    found: object = goal
    if isinstance(goal, StateGoal):
        found = goal.convert(goal.state)
        if not isinstance(found, np.ndarray | Tensor) or len(found) != len(goal):
            raise ShapeError(
                f"{owner} needs `StateGoal.convert` to return {len(goal)} frames or embeddings, one a state",
                f"it returned {describe(found)}",
                "Return uint8 frames (env, height, width, channel) or a tensor (env, dim)",
            )
        if isinstance(found, np.ndarray):
            return encode(Observation(found).pixels)
    if not isinstance(found, Tensor) or not found.is_floating_point() or found.shape[1:] != (dim,):
        raise ShapeError(
            f"{owner} needs goal embeddings as floating-point (env, dim) with dim={dim}",
            f"the goal is {describe(found)}",
            "`encode` returns a time axis; drop it with `[:, -1]`",
        )
    if not len(found):
        raise ShapeError(
            f"{owner} needs at least one goal", f"the goal is {describe(found)}", "Pass one an environment"
        )
    check_finite(owner, "goal", found, fix="Check the frames that were encoded and the model's weights")
    return found.detach()
