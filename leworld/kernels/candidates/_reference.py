"""The definitions, in plain PyTorch."""

import math

import torch
from torch import Tensor

from ..._counter import fixed_sum


def sample_gaussian(table: Tensor, places: list[int], mean: Tensor, std: Tensor | float, num: int) -> Tensor:
    """Draw candidates around a mean; see `Candidates`."""
    count = num * mean[0].numel()
    windows = table.as_strided((len(table) - count + 1, count), (1, 1))
    noise = windows.index_select(0, torch.tensor(places)).view(len(mean), num, *mean.shape[1:])
    noise[:, 0] = 0
    centre = mean.unsqueeze(1)
    if isinstance(std, Tensor):
        return torch.addcmul(centre, noise, std.unsqueeze(1))
    return torch.add(centre, noise, alpha=std)


def keep_best(actions: Tensor, costs: Tensor, best: Tensor, best_costs: Tensor) -> tuple[Tensor, bool]:
    """Update the best of every row; see `Candidates`."""
    copy = costs.nan_to_num(nan=math.inf, posinf=math.inf, neginf=math.inf)
    if costs.shape[1] == 0:
        return copy, True
    lowest, first = copy.min(dim=1)
    better = lowest < best_costs
    found = actions[torch.arange(len(first), device=first.device), first]
    best.copy_(torch.where(better[:, None, None], found, best))
    best_costs.copy_(torch.where(better, lowest, best_costs))
    return copy, costs.device.type == "cpu" and bool(costs.isfinite().all())


def refit_gaussian(
    actions: Tensor, costs: Tensor, num: int, mean: Tensor, std: Tensor, correction: int, floor: float
) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation over the elites; see `Candidates`."""
    usable = costs.nan_to_num(nan=math.inf, posinf=math.inf, neginf=math.inf)
    elite_costs, chosen = usable.topk(num, dim=1, largest=False)
    elites = actions[torch.arange(len(chosen), device=chosen.device).unsqueeze(1), chosen]
    mask = (elite_costs < math.inf)[:, :, None, None]
    count = mask.sum(1)
    centre = fixed_sum(torch.where(mask, elites, 0.0), 1) / count
    squares = torch.where(mask, elites - centre.unsqueeze(1), 0.0).square_()
    spread = (fixed_sum(squares, 1) / (count - correction).clamp(min=1)).sqrt()
    found = count > 0
    return torch.where(found, centre, mean), torch.where(found, spread, std).clamp_(min=floor)
