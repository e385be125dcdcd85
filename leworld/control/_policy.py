"""The policy interface and what a policy gets to see."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, UInt8

from .._checks import describe
from ..errors import ShapeError


@final
@dataclass(frozen=True)
class Observation:
    """What a batch of environments shows at one moment, or the goal that it should show.

    Attributes:
        pixels: One frame an environment.
        state: True states, for oracles only; a policy that plans with a model does not read it.

    Raises:
        ShapeError: If pixels or state have the wrong shape or dtype.

    Example:
        ```python
        import numpy as np
        from leworld.control import Observation

        seen = Observation(np.zeros((4, 64, 64, 3), np.uint8))
        assert len(seen) == 4
        ```
    """

    pixels: UInt8[np.ndarray, "env height width channel"]
    state: Float[np.ndarray, "env state"] | None = None

    def __post_init__(self) -> None:
        pixels = self.pixels
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 4:
            raise ShapeError(
                "Observation needs `pixels` as a uint8 array (env, height, width, channel)",
                f"`pixels` is {describe(pixels)}",
                "Pass frames as rendered, a single one as `pixels[None]`; the policy normalises them",
            )
        if self.state is not None and (self.state.ndim != 2 or len(self.state) != len(pixels)):
            raise ShapeError(
                f"Observation needs `state` of shape (env, state) with env={len(pixels)}",
                f"`state` is {describe(self.state)}",
                "Pass one state an environment",
            )

    def __len__(self) -> int:
        return len(self.pixels)


class Policy(ABC):
    """Acts in a batch of environments toward a goal each.

    Call `reset` when episodes begin, then `act` once every environment step.

    Example:
        ```python
        import numpy as np
        from leworld.control import Observation, Policy

        class Still(Policy):
            def reset(self, goal):
                self.num = len(goal)

            def act(self, observation):
                return np.zeros((self.num, 2), np.float32)

        frame = Observation(np.zeros((3, 8, 8, 3), np.uint8))
        policy = Still()
        policy.reset(frame)
        assert policy.act(frame).shape == (3, 2)
        ```
    """

    @abstractmethod
    def reset(self, goal: Observation) -> None:
        """Forget the past and take one goal an environment."""

    @abstractmethod
    def act(self, observation: Observation) -> Float[np.ndarray, "env action"]:
        """Return the next raw action of every environment."""
