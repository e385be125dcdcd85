"""The policy that knows nothing."""

from collections.abc import Mapping
from typing import Any, final

import numpy as np

from .._checks import check_number
from ._policy_input import read_positions


@final
class RandomPolicy:
    """Draws every action uniformly from [-1, 1]: the floor that a planner has to beat.

    Args:
        seed: Seed of the policy's own generator, see `reset`.

    Raises:
        ConfigError: `seed` is not a natural number, or `info` lacks `state`.
        ShapeError: `state` does not end in an axis of 2.

    Randomness: a numpy generator of its own. Equal seeds and equal numbers of agents give equal actions.

    Example:
        ```python
        import numpy as np
        from leworld.envs import RandomPolicy

        info = {"state": np.zeros((1000, 2))}
        actions = RandomPolicy()(info)
        assert actions.shape == (1000, 2) and np.abs(actions.mean()) < 0.1
        ```
    """

    def __init__(self, *, seed: int = 0) -> None:
        self.reset(seed)

    def reset(self, seed: int) -> None:
        """Start over with a fresh generator from `seed`."""
        check_number("RandomPolicy.reset", "seed", seed, low=0, integer=True)
        self._generator = np.random.default_rng(seed)

    def __call__(self, info: Mapping[str, Any]) -> np.ndarray:
        """Return float32 actions of the shape of `info["state"]`."""
        (state,) = read_positions("RandomPolicy", info, ("state",))
        return self._generator.uniform(-1.0, 1.0, size=state.shape).astype(np.float32)
