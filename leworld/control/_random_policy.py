"""The baseline that knows nothing."""

from typing import final

import numpy as np

from .._checks import check_number, plain_numbers
from .._random import fold_seed
from .._typing import Limits
from ..data import Observation
from ..errors import ConfigError
from ._action_limits import check_choices, limit_arrays
from ._policy import Policy


@final
@plain_numbers
class RandomPolicy(Policy):
    """Draws every action uniformly between the action limits, or among the choices.

    Args:
        action_dim: Raw action components; for choices their number.
        action_limits: Lowest and highest action, each a number or one a component. Unused with choices.
        action_choices: Number of choices where the action is one; the policy then returns their numbers.
        seed: Each environment draws from its own stream made from this seed and its index, afresh at each
            `reset`.

    Example:
        ```python
        import numpy as np
        from leworld.control import RandomPolicy
        from leworld.data import Observation

        frame = Observation(np.zeros((3, 8, 8, 3), np.uint8))
        policy = RandomPolicy(2, seed=1)
        policy.reset(frame)
        actions = policy.act(frame)
        assert actions.shape == (3, 2) and np.abs(actions).max() <= 1
        ```
    """

    def __init__(
        self,
        action_dim: int,
        *,
        action_limits: Limits = (-1.0, 1.0),
        action_choices: int | None = None,
        seed: int = 0,
    ) -> None:
        check_number("RandomPolicy", "action_dim", action_dim, low=1, integer=True)
        check_number("RandomPolicy", "seed", seed, low=0, integer=True)
        if action_choices is not None:
            check_choices(action_choices, action_dim, owner="RandomPolicy")
        self._choices = action_choices
        self._low, self._high = limit_arrays(action_limits, action_dim, owner="RandomPolicy")
        self._seed = seed
        self._sources: list[np.random.Generator] = []

    def reset(self, goal: Observation) -> None:
        """Start every environment's stream again."""
        self._sources = [np.random.default_rng(fold_seed(self._seed, row)) for row in range(len(goal))]

    def act(self, observation: Observation) -> np.ndarray:
        """Return one uniform action an environment: float32 (env, action), or int64 (env) for choices."""
        if len(observation) != len(self._sources):
            raise ConfigError(
                f"RandomPolicy.act needs to see the {len(self._sources)} environments it was reset for",
                f"`observation` has env={len(observation)}",
                "Call `reset(goal)` with one goal an environment first",
            )
        if self._choices is not None:
            return np.array([source.integers(self._choices) for source in self._sources], dtype=np.int64)
        drawn = np.stack([source.uniform(self._low, self._high) for source in self._sources])
        return drawn.astype(np.float32).clip(self._low, self._high)
