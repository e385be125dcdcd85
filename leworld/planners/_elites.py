"""Choosing the best candidates and refitting a Gaussian to them, row by row."""

import torch
from torch import Tensor

from .._counter import tree_sum
from ._evaluator import Evaluated


def best_of(scored: Evaluated, num: int) -> tuple[Tensor, Tensor]:
    """Return the `num` candidates of lowest cost, best first, and which of them have a finite cost."""
    chosen = scored.order()[:, :num]
    rows = torch.arange(len(chosen), device=chosen.device).unsqueeze(1)
    return scored.actions[rows, chosen], scored.costs[rows, chosen].isfinite()


def fit_gaussian(elites: Tensor, usable: Tensor, mean: Tensor, stds: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and population standard deviation over the usable elites; rows with none keep theirs."""
    mask = usable[:, :, None, None]
    count = mask.sum(1)
    fitted = tree_sum(torch.where(mask, elites, 0.0), 1) / count
    centred = torch.where(mask, elites - fitted.unsqueeze(1), 0.0)
    fitted_stds = (tree_sum(centred.square(), 1) / count).sqrt()
    found = count > 0
    return torch.where(found, fitted, mean), torch.where(found, fitted_stds, stds)


def root_mean_square(stds: Tensor) -> Tensor:
    """Return one spread a row from the standard deviations (batch, ...)."""
    flat = stds.flatten(1)
    return (tree_sum(flat.square(), 1) / flat.shape[1]).sqrt()
