"""Random actions that keep their direction for a while."""

from collections.abc import Mapping
from typing import Any, final

import numpy as np

from .._checks import check_number, plain_numbers
from .._typing import Limits
from ..control import check_choices, limit_arrays
from ..errors import ConfigError


@final
@plain_numbers
class SmoothPolicy:
    r"""Gathers data by random actions that change slowly, so that the agent goes somewhere.

    Reach for it where no expert is known. Independent noise of each step would cancel out; here every
    component is a first-order process $a_t = c\, a_{t-1} + \sqrt{1 - c^2}\, \epsilon_t$ with standard normal
    $\epsilon_t$, clipped to the limits. It remembers about $1 / (1 - c)$ steps.

    Args:
        action_dim: Components of an action; for choices their number.
        correlation: $c$, of an action with the one before, in [0, 1).
        action_limits: Lowest and highest action, each a number or one a component; a standard deviation is
            half of the span. Unused with choices.
        action_choices: Number of choices where the action is one: the policy returns the number of the
            largest component, which stays the same for a while.
        seed: Seed of its own generator, see `reset`.

    Raises:
        ConfigError: A setting is out of range, or `info` lacks `state`.

    Randomness: a numpy generator of its own.

    Example:
        ```python
        import numpy as np
        from leworld.tasks import SmoothPolicy

        policy = SmoothPolicy(2, correlation=0.9)
        info = {"state": np.zeros((500, 3))}
        first, second = policy(info), policy(info)
        assert first.shape == (500, 2) and np.corrcoef(first[:, 0], second[:, 0])[0, 1] > 0.7
        ```
    """

    def __init__(
        self,
        action_dim: int,
        *,
        correlation: float = 0.9,
        action_limits: Limits = (-1.0, 1.0),
        action_choices: int | None = None,
        seed: int = 0,
    ) -> None:
        owner = "SmoothPolicy"
        check_number(owner, "action_dim", action_dim, low=1, integer=True)
        check_number(owner, "correlation", correlation, low=0.0, high=np.nextafter(1.0, 0.0))
        if action_choices is not None:
            check_choices(action_choices, action_dim, owner=owner)
        self.action_dim = int(action_dim)
        self.correlation = float(correlation)
        self.action_limits = limit_arrays(action_limits, self.action_dim, owner=owner)
        self.action_choices = action_choices
        self.reset(seed)

    @plain_numbers
    def reset(self, seed: int) -> None:
        """Start over: a fresh generator from `seed`, and no previous action."""
        check_number("SmoothPolicy.reset", "seed", seed, low=0, integer=True)
        self._generator = np.random.default_rng(seed)
        self._noise: np.ndarray | None = None

    def __call__(self, info: Mapping[str, Any]) -> np.ndarray:
        """Return float32 actions (env, action), or int64 choices (env,), one a row of `info["state"]`."""
        if not isinstance(info, Mapping) or "state" not in info:
            raise ConfigError(
                "SmoothPolicy needs the environment's info with `state`, whose rows it counts",
                f"it has {sorted(info)}" if isinstance(info, Mapping) else f"it is a {type(info).__name__}",
                "Report the true state in the environment's info",
            )
        fresh = self._generator.normal(size=(len(info["state"]), self.action_dim))
        if self._noise is not None and self._noise.shape == fresh.shape:
            fresh = self.correlation * self._noise + np.sqrt(1 - self.correlation**2) * fresh
        self._noise = fresh
        if self.action_choices is not None:
            return fresh.argmax(axis=1)
        low, high = self.action_limits
        return np.clip((low + high) / 2 + fresh * (high - low) / 2, low, high).astype(np.float32)
