"""The discrepancy of two mixtures in plain PyTorch, on any device and in either precision."""

from typing import Any

import torch
from torch import Tensor

from ..._checks import accumulation_dtype
from ..._precision import double, double_sum
from ..._products import product
from ..._samples import around_middle, squared_distances
from ._reference import Mixture


def discrepancy(
    module: Any, pairs: Mixture, points: Mixture, samples: Tensor, with_gradient: bool
) -> tuple[Tensor, Tensor | None]:
    """Return mean_ij f(|z_i - z_j|^2) - 2 mean_i g(|z_i|^2) of each group, in float64, and its gradient.

    The gradient lacks a factor of 4 / sample^2. `module` evaluates mixtures; all else is in float64, on the
    CPU for a device that has none. Every pair is looked at once, and no sample with itself: there the
    function is known.
    """
    groups, count, _ = samples.shape
    z = double(samples)
    middle, rest = around_middle(z)
    i, j = torch.triu_indices(count, count, 1, dtype=torch.int64, device=z.device)
    weights = squared_distances(rest).flatten(1)
    value, slope = module.evaluate(pairs, weights.index_select(1, i * count + j), slopes=with_gradient)
    own, pull = module.evaluate(points, z.square().sum(-1), slopes=with_gradient)
    values = (2 / count * value.sum(1) - 2 * own.sum(1) + sum(pairs.coefficients)) / count
    if slope is None:
        return values, None
    slope.neg_()
    pulls = -count * pull
    for index in (i * count + j, j * count + i):
        weights.scatter_(1, index.expand_as(slope), slope)
    weights = weights.view(groups, count, count)
    # What the own weight multiplies is a difference of 0. It is the largest and would leave its rounding,
    # which is more than the gradient of far samples, so it takes no part in the sum.
    weights.diagonal(dim1=1, dim2=2).zero_()
    gradient = ((pulls - weights.sum(2)).unsqueeze(-1) * rest).addcmul_(pulls.unsqueeze(-1), middle)
    return values, gradient.add_(weights @ rest).to(samples)


def differentiable(
    pairs: Mixture, points: Mixture, constant: float, samples: Tensor, evaluate: Any, implementation: str
) -> Tensor:
    """Return the discrepancy as operations that every transform of PyTorch knows; stores all pairs."""
    count = samples.shape[-2]
    samples = samples.to(accumulation_dtype(samples.dtype))
    _, distances, others = _distances(samples)
    value = evaluate(pairs, distances, implementation=implementation) * others
    own = evaluate(points, samples.square().sum(-1), implementation=implementation)
    total = double_sum(value, (-2, -1)) / count - 2 * double_sum(own, -1) + sum(pairs.coefficients)
    return (total.mean() + count * constant).to(samples)


def differentiable_gradient(
    pairs: Mixture, points: Mixture, samples: Tensor, evaluate: Any, implementation: str
) -> Tensor:
    """Return the gradient that `discrepancy` returns as something that autograd can differentiate."""
    count = samples.shape[-2]
    samples = samples.to(accumulation_dtype(samples.dtype))
    rest, distances, others = _distances(samples)
    weights = evaluate(pairs.derivative(), distances, implementation=implementation) * others
    own = evaluate(points.derivative(), samples.square().sum(-1), implementation=implementation)
    pull = weights.sum(-1, keepdim=True) * rest - product(weights, rest)
    return pull - count * own.unsqueeze(-1) * samples


def _distances(samples: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return samples around their middle, squared distances of pairs, and 0 for one with itself, else 1."""
    _, rest = around_middle(samples)
    others = 1 - torch.eye(samples.shape[-2], dtype=samples.dtype, device=samples.device)
    return rest, squared_distances(rest).to(samples), others
