"""How a cost asks another one."""

from collections.abc import Callable

import torch
from torch import Tensor

from .._checks import describe
from ..errors import ShapeError

CostFunction = Callable[[Tensor], Tensor]


def asked(owner: str, cost: CostFunction, actions: Tensor) -> Tensor:
    """Show a cost a copy of the candidates, and return a copy of its answer, float32 for half types.

    Raises `ShapeError` unless the answer is a floating-point tensor (batch, sample).
    """
    answer, expected = cost(actions.clone()), tuple(actions.shape[:2])
    if not isinstance(answer, Tensor) or tuple(answer.shape) != expected or not answer.is_floating_point():
        raise ShapeError(
            f"{owner} needs costs that return a floating-point tensor (batch, sample) = {expected}",
            f"one returned {describe(answer)}",
            "Give one number a candidate: sum or average over horizon, action and embedding axes",
        )
    return answer.to(torch.promote_types(answer.dtype, torch.float32), copy=True)
