"""The two terms of VICReg that look at one set of embeddings: standard deviations and covariances."""

from typing import Protocol

import torch
from torch import Tensor

from .._products import product
from .._samples import centred

SCALES = ("dim", "pairs")


def covariance_divisor(scale: str, dim: int) -> int:
    """Return what a sum of squared covariances is divided by; 1 where there is no pair, and the sum is 0."""
    return dim if scale == "dim" else max(1, dim * (dim - 1))


class Spread(Protocol):
    """The settings of both terms."""

    std_weight: float
    covariance_weight: float
    covariance_scale: str
    target_std: float
    epsilon: float


def spread_loss(samples: Tensor, settings: Spread, *, around_mean: bool = True) -> Tensor:
    """Return the weighted sum of both terms for each leading index; one of weight 0 is not computed.

    Args:
        samples: (*batch, sample, dim).
        settings: Weights and the like.
        around_mean: As in `off_diagonal_covariance`.
    """
    terms = []
    if settings.std_weight or not settings.covariance_weight:
        hinge = std_hinge(samples, target_std=settings.target_std, epsilon=settings.epsilon)
        terms.append(settings.std_weight * hinge)
    if settings.covariance_weight:
        scale = settings.covariance_scale
        covariance = off_diagonal_covariance(samples, scale=scale, around_mean=around_mean)
        terms.append(settings.covariance_weight * covariance)
    return sum(terms[1:], terms[0])


def std_hinge(samples: Tensor, *, target_std: float, epsilon: float) -> Tensor:
    """Return mean_d max(0, target - sqrt(Var_d + epsilon)) for each leading index, Var over N - 1."""
    variance = centred(samples).square().sum(-2) / (samples.shape[-2] - 1)
    return (target_std - (variance + epsilon).sqrt()).relu().mean(-1)


def off_diagonal_covariance(samples: Tensor, *, scale: str = "dim", around_mean: bool = True) -> Tensor:
    """Return the scaled sum of squared covariances between different coordinates, for each leading index.

    Args:
        samples: (*batch, sample, dim).
        scale: Divide by "dim" or by the number of "pairs", dim (dim - 1).
        around_mean: Whether the mean is subtracted first; else it is a second moment around zero.
    """
    num_samples, dim = samples.shape[-2:]
    rest = centred(samples) if around_mean else samples
    covariance = product(rest.mT, rest) / (num_samples - 1)
    diagonal = torch.eye(dim, dtype=torch.bool, device=samples.device)
    return covariance.masked_fill(diagonal, 0.0).square().sum((-2, -1)) / covariance_divisor(scale, dim)
