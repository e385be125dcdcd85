"""The best candidates of every row, and one spread for each."""

import torch
from torch import Tensor

from .._counter import fixed_sum
from ._evaluator import Evaluated


def best_of(scored: Evaluated, num: int) -> Tensor:
    """Return the `num` candidates of lowest cost, best first."""
    chosen = scored.costs.topk(num, dim=1, largest=False).indices
    return scored.actions[torch.arange(len(chosen), device=chosen.device).unsqueeze(1), chosen]


def root_mean_square(stds: Tensor) -> Tensor:
    """Return one spread a row from the standard deviations (batch, ...)."""
    flat = stds.flatten(1)
    return (fixed_sum(flat.square(), 1) / flat.shape[1]).sqrt()
