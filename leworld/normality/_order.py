"""Order statistics: sorted samples, their plotting positions, and the normal distribution function."""

import math

import torch
from torch import Tensor

from .._checks import accumulation_dtype, check_samples


def ordered(owner: str, samples: Tensor, *, low: int = 2) -> Tensor:
    """Check samples (*batch, sample, dim) and return them in accumulation dtype, ascending along `sample`."""
    check_samples(owner, "samples", samples, low=low)
    return samples.to(accumulation_dtype(samples.dtype)).sort(dim=-2).values


def ranks(num_samples: int) -> Tensor:
    """Return 1..N in float64 on the CPU, where per-rank constants are computed before they are rounded."""
    return torch.arange(1, num_samples + 1, dtype=torch.float64, device="cpu")


def midpoints(num_samples: int) -> Tensor:
    """Return (2i - 1) / 2N for i = 1..N, in float64 on the CPU."""
    return (2 * ranks(num_samples) - 1) / (2 * num_samples)


def column(values: Tensor, like: Tensor) -> Tensor:
    """Lay per-rank constants along the sample axis of `like`, in its dtype and on its device."""
    return values.to(device=like.device, dtype=like.dtype).unsqueeze(-1)


def normal_cdf(x: Tensor) -> Tensor:
    """Return Phi(x) with small relative error in the left tail, where 1 + erf would cancel to zero."""
    return 0.5 * torch.erfc(x * -math.sqrt(0.5))
