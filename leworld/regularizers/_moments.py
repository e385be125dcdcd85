"""The two terms of VICReg that look at one set of embeddings: standard deviations and covariances."""

import torch
from torch import Tensor

from .._products import product
from .._samples import centred


def std_hinge(samples: Tensor, *, target_std: float, epsilon: float) -> Tensor:
    """Return mean_d max(0, target - sqrt(Var_d + epsilon)) for each leading index, Var over N - 1."""
    variance = centred(samples).square().sum(-2) / (samples.shape[-2] - 1)
    return (target_std - (variance + epsilon).sqrt()).relu().mean(-1)


def off_diagonal_covariance(samples: Tensor) -> Tensor:
    """Return the sum of squared covariances between different coordinates, over dim, a leading index."""
    num_samples, dim = samples.shape[-2:]
    rest = centred(samples)
    covariance = product(rest.mT, rest) / (num_samples - 1)
    diagonal = torch.eye(dim, dtype=torch.bool, device=samples.device)
    return covariance.masked_fill(diagonal, 0.0).square().sum((-2, -1)) / dim
