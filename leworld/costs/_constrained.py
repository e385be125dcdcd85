"""Candidates that are out of the question."""

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor

from .._checks import check_number, describe
from ..errors import ConfigError, ShapeError


@final
class ConstrainedCost:
    """Makes every candidate that violates a constraint infinitely expensive.

    Planners rank infinite costs last, so a plan that violates it is never returned while any other was seen.
    Good where much of the space is allowed; where candidates rarely are, `LagrangianPlanner` finds the way
    in.

    Args:
        cost: The cost of what is allowed.
        constraint: (batch, sample, horizon, action) -> (batch, sample, constraint), at most 0 where all is
            well; NaN counts as violated.
        tolerance: Largest value that still counts as holding.

    Example:
        ```python
        import torch
        from leworld.costs import ConstrainedCost

        cost = ConstrainedCost(lambda a: a.sum((2, 3)), lambda a: a.abs().amax((2, 3)).unsqueeze(-1) - 1.0)
        assert cost(torch.tensor([[[[0.5]], [[-2.0]]]])).tolist() == [[0.5, float("inf")]]
        ```
    """

    def __init__(
        self,
        cost: Callable[[Tensor], Tensor],
        constraint: Callable[[Tensor], Tensor],
        *,
        tolerance: float = 0.0,
    ) -> None:
        for name, value in (("cost", cost), ("constraint", constraint)):
            if not callable(value):
                raise ConfigError(
                    f"ConstrainedCost needs `{name}` to be a function of the actions",
                    f"it is {describe(value)}",
                    "Pass a function or a cost object",
                )
        check_number("ConstrainedCost", "tolerance", tolerance, low=0)
        self.cost = cost
        self.constraint = constraint
        self.tolerance = tolerance
        self.device = getattr(cost, "device", None)
        self.dtype = getattr(cost, "dtype", None)

    def __call__(self, actions: Tensor) -> Tensor:
        """Return the cost, (batch, sample), infinite where the constraint is violated."""
        limits = self.constraint(actions.clone())
        if limits.ndim != 3 or limits.shape[:2] != actions.shape[:2]:
            expected = (*actions.shape[:2], "n")
            raise ShapeError(
                f"ConstrainedCost needs `constraint` -> (batch, sample, constraint) = {expected}",
                f"it returned {describe(limits)}",
                "Stack the constraints on the last axis; a single one needs `[..., None]`",
            )
        holds = (limits <= self.tolerance).all(-1)
        return torch.where(holds, self.cost(actions.clone()), torch.inf)
