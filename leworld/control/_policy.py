"""The policy interface."""

from abc import ABC, abstractmethod

import numpy as np

from ..data import Observation


class Policy(ABC):
    """Acts in a batch of environments toward a goal each.

    Call `reset` when episodes begin, then `act` once every environment step.

    Example:
        ```python
        import numpy as np
        from leworld.control import Policy
        from leworld.data import Observation

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
    def act(self, observation: Observation) -> np.ndarray:
        """Return the next raw action of every environment: (env, action), or indices (env) if discrete."""
