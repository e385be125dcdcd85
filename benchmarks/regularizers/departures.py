"""Samples that are not standard normal, each in one way; but for shift and scale of mean 0 and variance 1."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

Change = Callable[[Tensor, torch.Generator], Tensor]


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator)


def _exponential(z: Tensor, generator: torch.Generator) -> Tensor:
    """Standard exponential minus 1: skewness 2."""
    return -torch.rand(z.shape, generator=generator).clamp_min(1e-30).log() - 1


def _gamma(z: Tensor, generator: torch.Generator) -> Tensor:
    """Standardised sum of six exponentials: skewness 0.82."""
    return sum((_exponential(z, generator) for _ in range(6)), torch.zeros(())) / math.sqrt(6)


def _student(z: Tensor, generator: torch.Generator) -> Tensor:
    """Student's t with 4 degrees of freedom, standardised."""
    chi = torch.randn(4, *z.shape, generator=generator).square().sum(0)
    return z * (2 / chi).sqrt()


def _radial(z: Tensor, generator: torch.Generator) -> Tensor:
    """Multivariate t with 12 degrees of freedom, standardised: one radius a sample."""
    chi = torch.randn(*z.shape[:-1], 12, generator=generator).square().sum(-1, keepdim=True)
    return z * (10 / chi).sqrt()


def _two_modes(z: Tensor, generator: torch.Generator) -> Tensor:
    """Modes at plus and minus 0.8, of variance 1."""
    return 0.8 * _normal(z, generator).sign() + 0.6 * z


def _two_clusters(z: Tensor, generator: torch.Generator) -> Tensor:
    """Two modes along the diagonal of the space, standard normal across it."""
    dim = z.shape[-1]
    along = z.sum(-1, keepdim=True) / math.sqrt(dim)
    return z + (_two_modes(along, generator) - along) / math.sqrt(dim)


def _low_rank(z: Tensor, generator: torch.Generator) -> Tensor:
    """A quarter of the dimensions left out, the rest stretched to the same total variance."""
    del generator
    kept = 3 * z.shape[-1] // 4
    return torch.cat([z[..., :kept] * (z.shape[-1] / kept) ** 0.5, torch.zeros_like(z[..., kept:])], dim=-1)


def _correlation(z: Tensor, generator: torch.Generator) -> Tensor:
    """Coordinates in pairs of correlation 0.5."""
    del generator
    first, second = z.chunk(2, dim=-1)
    return torch.cat([first, 0.5 * first + math.sqrt(0.75) * second], dim=-1)


def _dependence(z: Tensor, generator: torch.Generator) -> Tensor:
    """Pairs of equal magnitude and independent signs: normal coordinates, no correlation."""
    first, second = z.chunk(2, dim=-1)
    del generator
    return torch.cat([first, second.sign() * first.abs()], dim=-1)


UNIVARIATE: dict[str, Change] = {
    "none": lambda z, g: z,
    "shift": lambda z, g: z + 0.25,
    "wide": lambda z, g: 1.2 * z,
    "narrow": lambda z, g: 0.83 * z,
    "skew": _gamma,
    "heavy tails": _student,
    "flat": lambda z, g: (torch.rand(z.shape, generator=g) - 0.5) * math.sqrt(12),
    "two modes": _two_modes,
}
MULTIVARIATE: dict[str, Change] = {
    "none": lambda z, g: z,
    "shift": lambda z, g: z + 0.1,
    "wide": lambda z, g: 1.06 * z,
    "narrow": lambda z, g: 0.94 * z,
    "skew": _exponential,
    "heavy tails": _radial,
    "two modes": _two_modes,
    "two clusters": _two_clusters,
    "low rank": _low_rank,
    "correlation": _correlation,
    "dependence": _dependence,
}


def datasets(change: Change, shape: tuple[int, ...], *, seed: int) -> Tensor:
    """Draw float32 samples of the given shape with one departure; equal seeds share their normal numbers."""
    generator = torch.Generator().manual_seed(seed)
    return change(torch.randn(shape, generator=generator), generator)
