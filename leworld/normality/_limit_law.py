"""Tail probabilities of the limits that Anderson-Darling, Cramer-von Mises and Watson tend to.

Each limit is a sum of squared standard normals with weights l_1 >= l_2 >= ... Where all weights differ, the
tail is a sum of integrals between poles (N. V. Smirnov, 1937; T. W. Anderson and D. A. Darling, "Asymptotic
theory of certain goodness of fit criteria", Annals of Mathematical Statistics 23, 1952):

    P(Q > x) = 1/pi sum_k (-1)^(k+1) int_{1/l_(2k-1)}^{1/l_(2k)} exp(-x y / 2) / (y sqrt|D(y)|) dy

with D(y) = prod_j (1 - y l_j), which has a closed form for both statistics. The integrand has an inverse
square root at both ends of every interval, so Gauss-Chebyshev quadrature takes it exactly.
"""

import math

import torch
from torch import Tensor

# From this number of samples on, probabilities of the limit are within 0.01 of the finite sample's.
LIMIT_FROM = 20
_INTERVALS = 60
_NODES = 24


def _intervals(first: float, width: float, period: float, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return Gauss-Chebyshev nodes (interval, node) and the weights that undo their inverse square roots."""
    starts = first + period * torch.arange(_INTERVALS, dtype=torch.float64, device=like.device)
    angles = (torch.arange(_NODES, dtype=torch.float64, device=like.device) + 0.5) * math.pi / _NODES
    nodes = starts.unsqueeze(-1) + width / 2 * (1 - angles.cos())
    signs = 1 - 2 * (torch.arange(_INTERVALS, dtype=torch.float64, device=like.device) % 2)
    return nodes, signs.unsqueeze(-1) * (math.pi / _NODES) * (width / 2) * angles.sin()


def _sum(x: Tensor, y: Tensor, weights: Tensor) -> Tensor:
    tail = (torch.exp(x[..., None, None] * (-y / 2)) * weights).sum((-2, -1)) / math.pi
    return torch.where(x <= 0, 1.0, tail.clamp(0, 1))


def cramer_von_mises_tail(x: Tensor) -> Tensor:
    """Weights 1 / (j pi)^2, so D(y) = sin(s) / s with y = s^2; x in float64."""
    s, weights = _intervals(math.pi, math.pi, 2 * math.pi, x)
    return _sum(x, s.square(), weights * 2 / s * (s / s.sin().abs()).sqrt())


def anderson_darling_tail(x: Tensor) -> Tensor:
    """Weights 1 / (j (j + 1)), so D(y) = -cos(pi s / 2) / (pi y) with s^2 = 1 + 4 y; x in float64."""
    s, weights = _intervals(3.0, 2.0, 4.0, x)
    y = (s.square() - 1) / 4
    density = (math.pi * y / (math.pi * s / 2).cos().abs()).sqrt() / y
    return _sum(x, y, weights * density * s / 2)


def watson_tail(x: Tensor) -> Tensor:
    """Weights 1 / (2 pi j)^2, each twice: 2 sum_k (-1)^(k-1) exp(-2 k^2 pi^2 x); x in float64."""
    k = torch.arange(1, _INTERVALS + 1, dtype=torch.float64, device=x.device)
    signs = 2 * (k % 2) - 1
    tail = 2 * (signs * torch.exp(x[..., None] * (-2 * (k * math.pi).square()))).sum(-1)
    return torch.where(x <= 0, 1.0, tail.clamp(0, 1))
