"""The definition in plain PyTorch; it stores samples x slices x knots numbers, and autograd can read it."""

import torch
from torch import Tensor

from ..._checks import accumulation_dtype
from ..._phases import without_turns
from ..._products import product

PIECE = None  # the backward pass holds the gradient of all projections at once


def project(embeddings: Tensor, directions: Tensor) -> Tensor:
    """Return embeddings (group, sample, dim) times directions (dim, slice) in the accumulation dtype."""
    dtype = accumulation_dtype(embeddings.dtype)
    with torch.autocast(embeddings.device.type, enabled=False):
        return product(embeddings.to(dtype), directions.to(dtype))


def phases(embeddings: Tensor, directions: Tensor, spacing: float) -> Tensor:
    """Return projections whose multiples of `spacing` have their phase: whole turns are taken off on a CPU.

    Projected in float64 for that, where rounding in float32 would turn far ones by more than a turn.
    """
    if embeddings.device.type != "cpu":
        return project(embeddings, directions)
    with torch.autocast(embeddings.device.type, enabled=False):
        far = embeddings.double() @ directions.double()
    return without_turns(far, spacing).to(accumulation_dtype(embeddings.dtype))


def frequencies(projections: Tensor, spacing: float, num_knots: int) -> Tensor:
    """Return spacing, 2 spacing, ..., shaped to broadcast over (group, knot, sample, slice)."""
    knots = torch.arange(1, num_knots + 1, device=projections.device, dtype=projections.dtype)
    return (knots * spacing)[:, None, None]


def sums(projections: Tensor, spacing: float, num_knots: int) -> Tensor:
    """Return the sums over samples of cos and sin of t_k y, as (group, 2, knot, slice)."""
    angles = projections.unsqueeze(1) * frequencies(projections, spacing, num_knots)
    return torch.stack([angles.cos().sum(-2), angles.sin().sum(-2)], dim=1)


def sums_backward(grad: Tensor, projections: Tensor, spacing: float) -> Tensor:
    """Return the gradient with respect to the projections, given that of the sums."""
    t = frequencies(projections, spacing, grad.shape[2])
    angles = projections.unsqueeze(1) * t
    grad_cos, grad_sin = grad.unsqueeze(-2).unbind(1)
    return (t * (grad_sin * angles.cos() - grad_cos * angles.sin())).sum(1)
