"""The best candidates of every row."""

import torch
from torch import Tensor

from ._evaluator import Evaluated


def best_of(scored: Evaluated, num: int) -> Tensor:
    """Return the `num` candidates of lowest cost, best first."""
    chosen = scored.costs.topk(num, dim=1, largest=False).indices
    return scored.actions[torch.arange(len(chosen), device=chosen.device).unsqueeze(1), chosen]
