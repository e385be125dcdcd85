"""From what an `Evaluator` has seen to a `Trace`, once at the end of a search."""

import math

import torch
from torch import Tensor
from torch.nn.functional import pad

from .._counter import fixed_sum
from ._elites import root_mean_square
from ._evaluator import Evaluator
from ._plan import Trace


def make_trace(evaluate: Evaluator, calls: list[int], stds: list[Tensor | float]) -> Trace:
    """Summarise by iteration: after each, `calls` says how often the cost was called, `stds` the spread."""
    longest = max(costs.shape[1] for costs in evaluate.costs)
    costs = torch.stack(
        [
            entry if entry.shape[1] == longest else pad(entry, (0, longest - entry.shape[1]), value=math.inf)
            for entry in evaluate.costs[: calls[-1]]
        ],
        dim=1,
    )
    best, shown = costs.amin(2).cummin(1).values, costs
    if len(calls) < costs.shape[1]:
        last = [call - 1 for call in calls]
        best, shown = best[:, last], costs[:, last]
    rows = len(costs)
    spreads = _spreads(stds, best)
    if evaluate.all_finite and all(entry.shape[1] == longest for entry in evaluate.costs[: calls[-1]]):
        none = torch.zeros(rows, dtype=torch.int64)
        return Trace(best, fixed_sum(shown, 2).div_(longest), spreads, evaluate.num_evaluations, none)
    finite = shown.isfinite()
    mean = fixed_sum(torch.where(finite, shown, 0.0), 2) / finite.sum(2)
    non_finite = sum(entry.isinf().sum(1) for entry in evaluate.costs[calls[-1] :])
    padding = sum(longest - entry.shape[1] for entry in evaluate.costs[: calls[-1]])
    num_non_finite = costs.isinf().sum((1, 2)) - padding + non_finite
    return Trace(best, mean, spreads, evaluate.num_evaluations, num_non_finite)


def _spreads(stds: list[Tensor | float], like: Tensor) -> Tensor:
    tensors = [std for std in stds if isinstance(std, Tensor)]
    if not tensors:
        return like.new_tensor(stds).expand(len(like), -1)
    if len(tensors) == len(stds) and len({std.shape for std in tensors}) == 1 and tensors[0].ndim > 1:
        flat = torch.stack(tensors, dim=1).flatten(2)
        return fixed_sum(flat.square_(), 2).div_(flat.shape[2]).sqrt_()
    rows = [
        like.new_full((len(like),), std)
        if not isinstance(std, Tensor)
        else std
        if std.ndim == 1
        else root_mean_square(std)
        for std in stds
    ]
    return torch.stack(rows, dim=1)
