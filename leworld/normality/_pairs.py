"""Every sample against every other: inner products, distances, sums of exponentials that cannot overflow."""

import torch
from torch import Tensor

from .. import _samples
from .._checks import accumulation_dtype, check_number, check_samples
from .._products import product


def checked_samples(owner: str, samples: Tensor) -> Tensor:
    """Check samples (*batch, sample, dim) and return them in accumulation dtype."""
    check_samples(owner, "samples", samples)
    return samples.to(accumulation_dtype(samples.dtype))


def check_sizes(owner: str, num_samples: int, dim: int) -> None:
    """Check the sizes that a null distribution is asked for."""
    check_number(owner, "num_samples", num_samples, low=2, integer=True)
    check_number(owner, "dim", dim, low=1, integer=True)


def inner_products(x: Tensor) -> Tensor:
    """Return <x_j, x_k> as (*batch, sample, sample), whatever autocast says."""
    with torch.autocast(x.device.type, enabled=False):
        return product(x, x.mT)


def squared_distances(x: Tensor) -> Tensor:
    """Return |x_j - x_k|^2 from inner products in float64, exactly 0 for equal samples and never below."""
    return _samples.squared_distances(_samples.around_middle(x)[1]).to(x)


def distances(x: Tensor) -> Tensor:
    """Return |x_j - x_k|, with zero gradient where two samples coincide."""
    squares = squared_distances(x)
    apart = squares > 0
    return torch.where(apart, torch.where(apart, squares, 1).sqrt(), 0)


def log_sum(exponents: Tensor, factors: Tensor | None = None) -> Tensor:
    """Return log sum_jk factor exp(exponent) over the last two axes, for a sum known to be positive.

    Where rounding leaves no positive sum, the value is that of the rounding itself.
    """
    top = exponents.detach().amax((-2, -1), keepdim=True)
    terms = torch.exp(exponents - top)
    if factors is not None:
        terms = terms * factors
    floor = torch.finfo(terms.dtype).eps * terms.detach().abs().sum((-2, -1))
    return torch.maximum(terms.sum((-2, -1)), floor).log() + top.squeeze((-2, -1))


def log_difference(log_plus: Tensor, log_minus: Tensor) -> Tensor:
    """Return log(sum exp(log_plus) - sum exp(log_minus)) over the last axis, known to be positive."""
    top = torch.maximum(log_plus.detach().amax(-1), log_minus.detach().amax(-1)).unsqueeze(-1)
    plus = torch.exp(log_plus - top).sum(-1)
    difference = plus - torch.exp(log_minus - top).sum(-1)
    floor = torch.finfo(plus.dtype).eps * plus.detach()
    return torch.maximum(difference, floor).log() + top.squeeze(-1)
