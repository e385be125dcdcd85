"""One planning problem as a planner sees it: sizes, bounds, a first guess, and noise by row."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .._counter import normal_rows, uniform_rows


@final
@dataclass(frozen=True)
class Problem:
    """What `plan` hands to a planner's `init` and `step`.

    Attributes:
        init: The first guess, inside the bounds. Its dtype (float32 or float64) and device are those of the
            search distribution.
        low: Lower bounds of a step's action, or None.
        high: Upper bounds, or None.
        seeds: One 63-bit seed a row.
        dtype: What the cost is shown: the dtype of the caller's tensors, possibly a half type.
        guesses: Further first guesses (batch, guess, horizon, action) inside the bounds, or None. `plan` has
            shown none of them to the cost; a planner that keeps elites lets them compete.

    Example:
        ```python
        import torch
        from leworld.planners import Problem

        problem = Problem(torch.zeros(2, 5, 1), None, None, torch.tensor([3, 3]), torch.float32)
        noise = problem.normal(7, 5, 1, iteration=0)
        assert noise.shape == (2, 7, 5, 1) and torch.equal(noise[0], noise[1])
        ```
    """

    init: Float[Tensor, "batch horizon action"]
    low: Float[Tensor, " action"] | None
    high: Float[Tensor, " action"] | None
    seeds: Int[Tensor, " batch"]
    dtype: torch.dtype
    guesses: Float[Tensor, "batch guess horizon action"] | None = None

    def normal(self, *shape: int, iteration: int, stream: int = 0) -> Tensor:
        """Draw standard normal noise of shape (batch, *shape), each row from its own seed."""
        return normal_rows(self.seeds, shape, iteration=iteration, stream=stream, dtype=self.init.dtype)

    def uniform(self, *shape: int, iteration: int, stream: int = 0) -> Tensor:
        """Draw uniform noise in [0, 1) of shape (batch, *shape), each row from its own seed."""
        return uniform_rows(self.seeds, shape, iteration=iteration, stream=stream, dtype=self.init.dtype)

    def project(self, actions: Tensor) -> Tensor:
        """Clip `actions` ("... action") to the bounds."""
        if self.low is None or self.high is None:
            return actions
        return torch.minimum(torch.maximum(actions, self.low), self.high)
