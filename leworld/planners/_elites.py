"""Choosing the best candidates and refitting a Gaussian to them, row by row."""

import math

import torch
from torch import Tensor

from .._counter import fixed_sum
from ._evaluator import Evaluated


def best_of(scored: Evaluated, num: int) -> tuple[Tensor, Tensor]:
    """Return the `num` candidates of lowest cost, best first, and their costs."""
    costs, chosen = scored.costs.topk(num, dim=1, largest=False)
    rows, samples = scored.costs.shape
    if rows > 1:
        chosen = chosen + torch.arange(0, rows * samples, samples, device=chosen.device).unsqueeze(1)
    elites = scored.actions.flatten(0, 1).index_select(0, chosen.view(-1))
    return elites.view(rows, num, *scored.actions.shape[2:]), costs


def all_finite(costs: Tensor) -> bool:
    """Say whether no cost that an `Evaluator` recorded is infinite; on an accelerator always "perhaps not".

    It chooses between two ways to the same bits, and must not wait for a device. A sum that overflows only
    leads to the longer way.
    """
    return costs.device.type == "cpu" and costs.sum().item() < math.inf


def fit_gaussian(elites: Tensor, costs: Tensor, mean: Tensor, stds: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and population standard deviation over elites of finite cost; rows without keep theirs."""
    if all_finite(costs):
        fitted = fixed_sum(elites, 1).div_(elites.shape[1])
        squares = (elites - fitted.unsqueeze(1)).square_()
        return fitted, fixed_sum(squares, 1).div_(elites.shape[1]).sqrt_()
    mask = (costs < math.inf)[:, :, None, None]
    count = mask.sum(1)
    fitted = fixed_sum(torch.where(mask, elites, 0.0), 1) / count
    centred = torch.where(mask, elites - fitted.unsqueeze(1), 0.0)
    fitted_stds = (fixed_sum(centred.square(), 1) / count).sqrt()
    found = count > 0
    return torch.where(found, fitted, mean), torch.where(found, fitted_stds, stds)


def root_mean_square(stds: Tensor) -> Tensor:
    """Return one spread a row from the standard deviations (batch, ...)."""
    flat = stds.flatten(1)
    return (fixed_sum(flat.square(), 1) / flat.shape[1]).sqrt()
