"""For float32: cubic Hermite interpolation over the distance, filled from the definition in float64."""

import functools
import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from . import _reference
from ._reference import Mixture

# The interpolation error is at most (t_max h)^4 / 384 of the largest value, 2.5e-9 at 32 intervals a radian.
_PER_RADIAN = 32


@final
@dataclass(frozen=True)
class Table:
    """Cubic coefficients of a mixture over distances from 0 to `reach`, (interval, 4) and (4, interval)."""

    coefficients: Tensor
    columns: Tensor
    inverse: float
    reach: float


def table(mixture: Mixture, distance: float, device: torch.device) -> Table:
    """Return a table that reaches `distance`, or the far field if that is nearer. Built once and kept."""
    reach = 2.0 ** max(3, math.ceil(math.log2(max(distance, 1.0))))
    return _build(mixture, min(reach, mixture.far), device)


@functools.lru_cache(maxsize=64)
def _build(mixture: Mixture, reach: float, device: torch.device) -> Table:
    intervals = math.ceil(reach * max(mixture.frequencies) * _PER_RADIAN)
    width = reach / intervals
    distances = width * torch.arange(intervals + 1, dtype=torch.float64)
    values = _on_grid(mixture, width, intervals + 1)
    slopes = 2 * distances * _on_grid(mixture.derivative(), width, intervals + 1) * width
    rise, left, right = values.diff(), slopes[:-1], slopes[1:]
    cubic = torch.stack([values[:-1], left, 3 * rise - 2 * left - right, left + right - 2 * rise], dim=1)
    cubic = cubic.float().to(device)
    return Table(cubic.contiguous(), cubic.T.contiguous(), 1 / width, reach)


def _on_grid(mixture: Mixture, width: float, count: int) -> Tensor:
    """Return the mixture at distances 0, width, 2 width, ... in float64."""
    distances = width * torch.arange(count, dtype=torch.float64)
    result, limit = torch.zeros_like(distances), _reference.far_phase(mixture.dim)
    for t, c in zip(mixture.frequencies, mixture.coefficients, strict=True):
        near = min(count, math.floor(limit / (t * width)) + 1)
        result[:near] += c * _near(mixture.dim, t * width, near)
        result[near:] += c * _reference.far_field(mixture.dim, t * distances[near:])
    return result


def _near(dim: int, step: float, count: int) -> Tensor:
    """Return L_dim(0), L_dim(step), ...: the definition, with sines and cosines of sums by products."""
    points, weights = _reference.gauss(dim, step * count)
    block = math.ceil(math.sqrt(count))
    phases = step * torch.arange(block, dtype=torch.float64)[:, None] * points
    coarse = block * phases
    value = (weights * coarse.cos()) @ phases.cos().T - (weights * coarse.sin()) @ phases.sin().T
    return value.flatten()[:count]


def evaluate(mixture: Mixture, u: Tensor) -> Tensor:
    """Return the mixture at squared distances. On an accelerator this waits for the device once."""
    if u.numel() == 0:
        return torch.zeros_like(u)
    distances = u.clamp_min(0).sqrt()
    farthest = float(distances.max())
    if not math.isfinite(farthest):
        return torch.full_like(u, math.nan)
    chosen = table(mixture, farthest, u.device)
    position = distances * chosen.inverse
    index = position.long().clamp_(max=len(chosen.coefficients) - 1)
    x = position - index
    a, b, c, d = (column[index] for column in chosen.columns)
    result = a + x * (b + x * (c + x * d))
    if farthest > mixture.far:
        terms = zip(mixture.frequencies, mixture.coefficients, strict=True)
        far = sum((c * _reference.far_field(mixture.dim, t * distances) for t, c in terms), 0 * distances)
        result = torch.where(distances > mixture.far, far, result)
    return result
