"""Order statistics: sorted samples, their plotting positions, and the normal distribution function."""

import math

import torch
from torch import Tensor

from .._checks import accumulation_dtype, check_samples

# Where log Phi changes its formula, and log(x sqrt(2 pi) exp(x^2 / 2) Phi(-x)) as a series in 1 / x^2.
_TAIL, _FAR = -1.0, -20.0
_SERIES = (-1, 5 / 2, -37 / 3, 353 / 4, -4081 / 5, 55205 / 6, -854197 / 7)


def ordered(owner: str, samples: Tensor, *, low: int = 2) -> Tensor:
    """Check samples (*batch, sample, dim) and return them in accumulation dtype, ascending along `sample`."""
    check_samples(owner, "samples", samples, low=low)
    return samples.to(accumulation_dtype(samples.dtype)).sort(dim=-2, stable=True).values


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


def log_normal_cdf(x: Tensor) -> Tensor:
    """Return log Phi(x), whose value and derivatives of every order keep their digits far out.

    Right of -1 from erfc, left of it from erfcx, whose own derivative cancels far out; there an asymptotic
    series in 1 / x^2 takes over. torch.special.log_ndtr has the value and loses the slope.
    """
    right = torch.log1p(-0.5 * torch.erfc(torch.where(x > _TAIL, x, 0.0) * math.sqrt(0.5)))
    near = torch.where(x > _TAIL, _TAIL, x).clamp_min(_FAR)
    near = torch.log(0.5 * torch.special.erfcx(near * -math.sqrt(0.5))) - near.square() / 2
    tail = torch.where(x < _FAR, x, _FAR)
    inverse = tail.square().reciprocal()
    series = torch.zeros_like(x)
    for coefficient in reversed(_SERIES):
        series = (series + coefficient) * inverse
    tail = series - tail.square() / 2 - torch.log(-tail) - math.log(2 * math.pi) / 2
    return torch.where(x > _TAIL, right, torch.where(x < _FAR, tail, near))
