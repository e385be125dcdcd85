"""What candidates must obey."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .._checks import describe
from ..errors import ShapeError

Constraint = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Requirement:
    """A constraint, and the largest of its values that still counts as holding."""

    constraint: Constraint
    tolerance: float

    def limits(self, actions: Tensor, like: Tensor) -> Tensor:
        """Return the values (batch, sample, constraint) for candidates, NaN as infinity.

        They have the device of `like` and its dtype, or float64. The constraint gets a copy of the
        candidates, and its answer is copied.
        """
        limits, expected = self.constraint(actions.clone()), tuple(actions.shape[:2])
        right = isinstance(limits, Tensor) and limits.ndim == 3 and tuple(limits.shape[:2]) == expected
        if not right or limits.is_complex():
            raise ShapeError(
                f"A planner needs `constraint` -> (batch, sample, constraint) = {(*expected, 'n')}",
                f"it returned {describe(limits)}",
                "Stack the constraints on the last axis; a single one needs `[..., None]`",
            )
        wide = torch.float64 if limits.dtype is torch.float64 else like.dtype
        limits = limits.detach().to(like.device, wide)
        return torch.where(limits.isnan(), torch.inf, limits)

    def judge(self, limits: Tensor) -> tuple[Tensor, Tensor]:
        """Return whether candidates obey, and their largest value, both (batch, sample)."""
        some = limits.shape[2] > 0
        worst = limits.amax(2) if some else limits.new_full(limits.shape[:2], -torch.inf)
        return worst <= self.tolerance, worst
