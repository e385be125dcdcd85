"""For float32: cubic Hermite interpolation over the distance, filled from the definition in float64."""

import functools
import itertools
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
    """Four cubic coefficients of a mixture, then of its derivative, for distances from 0 to `reach`.

    `rows` is (interval, 8), `columns` its transpose.
    """

    rows: Tensor
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
    grid, functions = [], (mixture, mixture.derivative(), mixture.derivative().derivative())
    for function in functions:
        grid.append(_on_grid(function, width, intervals + 1))
    per_interval = 2 * width * (width * torch.arange(intervals + 1, dtype=torch.float64, device="cpu"))
    cubic = torch.cat([_cubic(f, per_interval * slope) for f, slope in itertools.pairwise(grid)])
    columns = cubic.float().to(device)
    return Table(columns.T.contiguous(), columns, 1 / width, reach)


def _cubic(values: Tensor, slopes: Tensor) -> Tensor:
    """Return Hermite's coefficients, lowest first, of functions known at the ends of each interval."""
    rise, left, right = values.diff(), slopes[:-1], slopes[1:]
    return torch.stack([values[:-1], left, 3 * rise - 2 * left - right, left + right - 2 * rise])


def _on_grid(mixture: Mixture, width: float, count: int) -> Tensor:
    """Return the mixture at distances 0, width, 2 width, ... in float64."""
    distances = width * torch.arange(count, dtype=torch.float64, device="cpu")
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
    phases = step * torch.arange(block, dtype=torch.float64, device="cpu")[:, None] * points
    coarse = block * phases
    value = (weights * coarse.cos()) @ phases.cos().T - (weights * coarse.sin()) @ phases.sin().T
    return value.flatten()[:count]


def evaluate(mixture: Mixture, u: Tensor, *, slopes: bool = False) -> tuple[Tensor, Tensor | None]:
    """Return the mixture at squared distances, and on request its derivative by them.

    On an accelerator this waits for the device once.
    """
    if u.numel() == 0:
        return torch.zeros_like(u), torch.zeros_like(u) if slopes else None
    wide = u.flatten().clamp_min(0).sqrt_()
    farthest = float(wide.max())
    if not math.isfinite(farthest):
        return torch.full_like(u, math.nan), torch.full_like(u, math.nan) if slopes else None
    chosen = table(mixture, farthest, u.device)
    x = (wide * chosen.inverse).float()
    index = x.clamp(max=len(chosen.rows) - 1).int()
    x -= index
    functions = (mixture, mixture.derivative()) if slopes else (mixture,)
    found = []
    for function, (a, b, c, d) in zip(functions, chosen.columns.split(4), strict=False):
        result = d.index_select(0, index)
        for column in (c, b, a):
            result.mul_(x).add_(column.index_select(0, index))
        if farthest > mixture.far:
            terms = zip(function.frequencies, function.coefficients, strict=True)
            far = sum((k * _reference.far_field(function.dim, t * wide) for t, k in terms), 0 * wide)
            result = torch.where(wide > mixture.far, far, result)
        found.append(result.view(u.shape).to(u.dtype))
    return found[0], found[1] if slopes else None
