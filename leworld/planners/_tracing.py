"""From what an `Evaluator` has seen to a `Trace`, once at the end of a search."""

import math

import torch
from torch import Tensor
from torch.nn.functional import pad

from .._counter import fixed_sum
from ._elites import root_mean_square
from ._evaluator import Evaluator
from ._plan import Trace


def make_trace(evaluate: Evaluator, calls: list[int], stds: list[Tensor]) -> Trace:
    """Summarise by iteration: after each, `calls` says how often the cost was called, `stds` the spread."""
    longest = max(costs.shape[1] for costs in evaluate.costs)
    costs = torch.stack(
        [
            entry if entry.shape[1] == longest else pad(entry, (0, longest - entry.shape[1]), value=math.inf)
            for entry in evaluate.costs[: calls[-1]]
        ],
        dim=1,
    )
    last = [call - 1 for call in calls]
    best = costs.amin(2).cummin(1).values[:, last]
    shown = costs[:, last]
    finite = shown.isfinite()
    mean = fixed_sum(torch.where(finite, shown, 0.0), 2) / finite.sum(2)
    non_finite = sum(entry.isinf().sum(1) for entry in evaluate.costs[calls[-1] :])
    padding = sum(longest - entry.shape[1] for entry in evaluate.costs[: calls[-1]])
    num_non_finite = costs.isinf().sum((1, 2)) - padding + non_finite
    return Trace(best, mean, _spreads(stds), evaluate.num_evaluations, num_non_finite)


def _spreads(stds: list[Tensor]) -> Tensor:
    """Reduce every iteration's spread to one number a row."""
    if len({std.shape for std in stds}) == 1 and stds[0].ndim > 1:
        return root_mean_square(torch.stack(stds, dim=1).flatten(0, 1)).unflatten(0, (-1, len(stds)))
    return torch.stack([std if std.ndim == 1 else root_mean_square(std) for std in stds], dim=1)
