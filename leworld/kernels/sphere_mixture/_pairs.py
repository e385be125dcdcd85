"""The discrepancy of two mixtures in plain PyTorch, on any device and in either precision."""

from typing import Any

import torch
from torch import Tensor

from ..._checks import accumulation_dtype
from ..._products import product
from ._reference import Mixture


def discrepancy(
    module: Any, pairs: Mixture, points: Mixture, samples: Tensor, with_gradient: bool
) -> tuple[Tensor, Tensor | None]:
    """Return mean_ij f(|z_i - z_j|^2) - 2 mean_i g(|z_i|^2) of each group, in float64, and its gradient.

    The gradient lacks a factor of 4 / sample^2. `module` evaluates mixtures. Every pair is looked at once,
    and no sample with itself: there the function is known.
    """
    groups, count, _ = samples.shape
    mean, centred = _centre(samples)
    squares = centred.square().sum(-1)
    i, j = torch.triu_indices(count, count, 1, dtype=torch.int64, device=samples.device)
    products = product(centred, centred.mT).flatten(1)
    u = squares.index_select(1, i).add_(squares.index_select(1, j))
    u.sub_(products.index_select(1, i * count + j), alpha=2)
    value, slope = module.evaluate(pairs, u, slopes=with_gradient)
    own, pull = module.evaluate(points, samples.square().sum(-1), slopes=with_gradient)
    total = 2 / count * value.sum(1, dtype=torch.float64) - 2 * own.sum(1, dtype=torch.float64)
    values = (total + sum(pairs.coefficients)) / count
    if slope is None:
        return values, None
    slope.neg_()
    pulls = -count * pull
    for index in (i * count + j, j * count + i):
        products.scatter_(1, index.expand_as(slope), slope)
    weights = products.view(groups, count, count)
    # What the own weight multiplies is a difference of 0. It is the largest and would leave its rounding,
    # which is more than the gradient of far samples, so it takes no part in the sum.
    weights.diagonal(dim1=1, dim2=2).zero_()
    own = (pulls - weights.sum(2, dtype=torch.float64)).to(samples.dtype)
    alone = (own.unsqueeze(-1) * centred).addcmul_(pulls.unsqueeze(-1), mean)
    return values, alone.add_(product(weights, centred))


def differentiable_gradient(
    pairs: Mixture, points: Mixture, samples: Tensor, evaluate: Any, implementation: str
) -> Tensor:
    """Return the gradient that `discrepancy` returns as something that autograd can differentiate."""
    count = samples.shape[-2]
    samples = samples.to(accumulation_dtype(samples.dtype))
    _, centred = _centre(samples)
    squares = centred.square().sum(-1)
    sums = squares.unsqueeze(-1) + squares.unsqueeze(-2)
    others = 1 - torch.eye(count, dtype=samples.dtype, device=samples.device)
    distances = (sums - 2 * product(centred, centred.mT)).clamp_min(0) * others
    weights = evaluate(pairs.derivative(), distances, implementation=implementation) * others
    own = evaluate(points.derivative(), samples.square().sum(-1), implementation=implementation)
    pull = weights.sum(-1, keepdim=True) * centred - product(weights, centred)
    return pull - count * own.unsqueeze(-1) * samples


def _centre(samples: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and rest: no distance sees the mean, and without it the Gram matrix loses fewer digits."""
    mean = samples.mean(-2, keepdim=True)
    return mean, samples - mean
