"""The definition: a Gauss quadrature over the sphere's marginal, stable for every dimension and distance."""

import functools
import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from ..._precision import double

# From this phase on the asymptotic series is exact to float64 up to _LOW dimensions; above, the function
# falls like exp(-s^2 / (2 dim)), and from _WIDE sqrt(dim) on it is below 1e-16.
_FAR = 192.0
_WIDE = 9.0
_LOW = 40
_CHUNK = 1 << 20


@final
@dataclass(frozen=True)
class Mixture:
    """A function of the squared distance, f(u) = sum_k c_k L_dim(t_k sqrt(u)).

    L_dim(s) is the mean of exp(i s x) over one coordinate x of a point uniform on the unit sphere,
    L_dim(s) = 0F1(; dim / 2; -s^2 / 4) = Gamma(dim / 2) (2 / s)^(dim / 2 - 1) J_(dim / 2 - 1)(s).
    """

    dim: int
    frequencies: tuple[float, ...]
    coefficients: tuple[float, ...]

    def derivative(self) -> "Mixture":
        """Return df/du, a mixture again: d/du L_dim(t sqrt(u)) = -t^2 / (2 dim) L_(dim + 2)(t sqrt(u))."""
        pairs = zip(self.frequencies, self.coefficients, strict=True)
        return Mixture(self.dim + 2, self.frequencies, tuple(-c * t * t / (2 * self.dim) for t, c in pairs))

    @property
    def far(self) -> float:
        """Distance from which every term is in its far field."""
        return far_phase(self.dim) / min(self.frequencies)


def evaluate(mixture: Mixture, u: Tensor, *, slopes: bool = False) -> tuple[Tensor, Tensor | None]:
    """Return the mixture at squared distances, and on request its derivative by them, computed in float64."""
    distances = double(u.detach()).clamp_min(0).sqrt()
    terms = zip(mixture.frequencies, mixture.coefficients, strict=True)
    total = sum((c * characteristic(mixture.dim, t * distances) for t, c in terms), distances * 0)
    return total.to(u), evaluate(mixture.derivative(), u)[0] if slopes else None


def characteristic(dim: int, phases: Tensor) -> Tensor:
    """Return L_dim at phases s >= 0 in float64: a Gauss quadrature near, an asymptotic series far away."""
    if phases.numel() == 0:
        return phases
    limit = far_phase(dim)
    near = phases.flatten().clamp_max(limit)
    points, weights = gauss(dim, float(near.nan_to_num().max()))
    points, weights = points.to(near.device), weights.to(near.device)
    parts = near.split(max(1, _CHUNK // len(points)))
    result = torch.cat([(part[:, None] * points).cos() @ weights for part in parts]).reshape(phases.shape)
    return torch.where(phases > limit, far_field(dim, phases), result)


def far_phase(dim: int) -> float:
    """Return the phase from which the asymptotic series takes over."""
    return max(_FAR, _WIDE * math.sqrt(dim))


def gauss(dim: int, phase: float) -> tuple[Tensor, Tensor]:
    """Return nodes x > 0 and weights whose sum of w cos(s x) is L_dim(s) for every s up to `phase`.

    Golub and Welsch (1969): eigenvalues of the Jacobi matrix of the Gegenbauer polynomials, whose weight
    function (1 - x^2)^((dim - 3) / 2) is the density of one coordinate on the sphere. All weights are
    positive and add up to 1, so nothing cancels in any dimension.
    """
    count = 2 * math.ceil((phase / 2 + 5 * phase ** (1 / 3) + 16) / 32) * 16
    return _gauss(dim, count)


@functools.lru_cache(maxsize=32)
def _gauss(dim: int, count: int) -> tuple[Tensor, Tensor]:
    n, half = torch.arange(2, count, dtype=torch.float64, device="cpu"), (dim - 2) / 2
    squared = n * (n + dim - 3) / (4 * (n + half) * (n + half - 1))
    off = torch.cat([torch.tensor([1 / dim], dtype=torch.float64, device="cpu"), squared])
    # The density is even, so the square of the Jacobi matrix splits in two; one half gives the squared nodes.
    diagonal = off[0::2] + torch.cat([torch.zeros(1, dtype=torch.float64, device="cpu"), off[1::2]])
    beside = (off[0:-1:2] * off[1::2]).sqrt()
    squares, vectors = torch.linalg.eigh(
        torch.diag(diagonal) + torch.diag(beside, 1) + torch.diag(beside, -1)
    )
    weights = vectors[0].square()
    keep = weights > 1e-30
    return squares[keep].clamp_min(0).sqrt(), weights[keep]


def far_field(dim: int, phases: Tensor) -> Tensor:
    """Return L_dim beyond `far_phase` by Hankel's series of the Bessel function, where anything is left."""
    if dim > _LOW:
        return torch.zeros_like(phases)
    order = dim / 2 - 1
    s = phases.clamp_min(_FAR)
    even, odd, term = torch.ones_like(s), torch.zeros_like(s), torch.ones_like(s)
    for k in range(1, 16):
        term = term * (4 * order**2 - (2 * k - 1) ** 2) / (8 * k * s)
        sign = -1 if k % 4 in (2, 3) else 1
        if k % 2:
            odd = odd + sign * term
        else:
            even = even + sign * term
    chi = s - (order / 2 + 0.25) * math.pi
    envelope = torch.exp(math.lgamma(order + 1) + order * (2 / s).log()) * (2 / (math.pi * s)).sqrt()
    return envelope * (even * chi.cos() - odd * chi.sin())
