"""A Gaussian refitted to the cheapest candidates."""

import torch
from torch import Tensor

from .._counter import fixed_sum
from ._evaluator import Evaluated


def refit_gaussian(
    scored: Evaluated, num: int, mean: Tensor, std: Tensor, *, correction: int, floor: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation over the `num` candidates of lowest cost, a row's elites.

    Every row depends on itself alone.

    Args:
        scored: Candidates and their costs. Those of infinite cost are no elites.
        num: At most as many as there are candidates.
        mean: What rows without an elite keep, (batch, horizon, action).
        std: Likewise.
        correction: 0 for the population's standard deviation, 1 for the sample's, which of one is 0.
        floor: No standard deviation that is returned lies below it.
    """
    costs, chosen = scored.costs.topk(num, dim=1, largest=False)
    elites = scored.actions[
        torch.arange(len(chosen), dtype=torch.int64, device=chosen.device).unsqueeze(1), chosen
    ]
    if scored.all_finite:
        centre = fixed_sum(elites, 1).div_(num)
        squares = (elites - centre.unsqueeze(1)).square_()
        spread = fixed_sum(squares, 1).div_(max(num - correction, 1)).sqrt_()
        return centre, spread.clamp_(min=floor)
    usable = (costs < torch.inf)[:, :, None, None]
    count = usable.sum(1)
    centre = fixed_sum(torch.where(usable, elites, 0.0), 1) / count
    squares = torch.where(usable, elites - centre.unsqueeze(1), 0.0).square_()
    spread = (fixed_sum(squares, 1) / (count - correction).clamp(min=1)).sqrt()
    found = count > 0
    return torch.where(found, centre, mean), torch.where(found, spread, std).clamp_(min=floor)
