"""Episodes of one length out of an environment that never ends."""

from typing import Any

import numpy as np

from ..evaluation import GoalEnvironment


class FixedLength:
    """Ends the episodes of all copies after `steps` actions; the next step starts new ones.

    In gymnasium's words a vector environment with the autoreset mode `NextStep`, as `collect` reads it.
    """

    def __init__(self, env: GoalEnvironment, steps: int) -> None:
        self.env = env
        self.num_envs = env.num_envs
        self.metadata = {"autoreset_mode": "NextStep"}
        for name in ("single_action_space", "action_space"):  # tell of discrete actions
            if hasattr(env, name):
                setattr(self, name, getattr(env, name))
        self._steps = steps
        self._taken = 0

    def reset(self, *, seed: int | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode in every copy."""
        shown = self.env.reset(seed=seed)
        self._taken = 0
        return shown

    def step(self, actions: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Act once, or start new episodes where the last ones have ended."""
        never = np.zeros(self.num_envs, np.bool_)
        if self._taken == self._steps:
            seen, info = self.reset()
            return seen, np.zeros(self.num_envs), never, never, info
        seen, reward, _, _, info = self.env.step(actions)
        self._taken += 1
        return seen, reward, never, np.full(self.num_envs, self._taken == self._steps), info
