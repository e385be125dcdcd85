"""For a CPU without compiled C: tiles that stay in the cache, knots by complex rotation, Horner backward."""

from collections.abc import Iterator

import torch
from torch import Tensor

from ._reference import project as project

PIECE = 1 << 18  # projections whose gradient the backward pass holds at once
_TILE = 32768
_FEW_SAMPLES = 32  # below, each knot gets a sine and cosine of its own: no average hides rounding errors


def obstacle(tensor: Tensor) -> str | None:
    """Say why this cannot run on `tensor`."""
    return None if tensor.device.type == "cpu" else f"the tensor is on {tensor.device}"


def sums(projections: Tensor, spacing: float, num_knots: int) -> Tensor:
    """Return the sums over samples of cos and sin of k spacing y, as (group, 2, knot, slice)."""
    groups, samples, slices = projections.shape
    result = projections.new_empty((groups, 2, num_knots, slices))
    for group, first, last in _tiles(projections):
        if samples < _FEW_SAMPLES:
            tile = projections[group, :, first:last]
            for knot in range(num_knots):
                angles = tile * ((knot + 1) * spacing)
                result[group, 0, knot, first:last] = angles.cos().sum(0)
                result[group, 1, knot, first:last] = angles.sin().sum(0)
            continue
        unit = _unit_circle(projections[group, :, first:last] * spacing)
        turned = unit.clone()
        found = unit.new_empty(num_knots, last - first)
        for knot in range(num_knots):
            if knot:
                turned.mul_(unit)
            torch.sum(turned, 0, out=found[knot])
        result[group, :, :, first:last] = torch.view_as_real(found).movedim(-1, 0)
    return result


def sums_backward(grad: Tensor, projections: Tensor, spacing: float) -> Tensor:
    """Return the gradient with respect to the projections: the real part of a polynomial in exp(i theta)."""
    knots = grad.shape[2]
    factors = spacing * torch.arange(1, knots + 1, dtype=grad.dtype, device=grad.device).view(1, -1, 1)
    coefficients = torch.complex(grad[:, 1] * factors, grad[:, 0] * factors)
    result = torch.empty_like(projections)
    for group, first, last in _tiles(projections):
        unit = _unit_circle(projections[group, :, first:last] * spacing)
        square = unit * unit
        # Odd and even powers apart: half the depth of Horner's rule, half the rounding error.
        odd = _horner(square, coefficients[group, 0::2, first:last])
        odd.mul_(unit)
        if knots > 1:
            even = _horner(square, coefficients[group, 1::2, first:last])
            odd.add_(even.mul_(square))
        result[group, :, first:last] = odd.real
    return result


def _horner(variable: Tensor, coefficients: Tensor) -> Tensor:
    value = coefficients[-1].expand_as(variable).clone()
    for coefficient in reversed(coefficients[:-1].unbind(0)):
        torch.addcmul(coefficient, value, variable, out=value)
    return value


def _unit_circle(angles: Tensor) -> Tensor:
    return torch.complex(angles.cos(), angles.sin())


def _tiles(projections: Tensor) -> Iterator[tuple[int, int, int]]:
    groups, samples, slices = projections.shape
    width = max(16, _TILE // max(samples, 1) // 16 * 16)
    for group in range(groups):
        for first in range(0, slices, width):
            yield group, first, min(first + width, slices)
