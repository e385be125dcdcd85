"""Registration with torch.library and autograd of a mixture and of its mean over all pairs of samples."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..._checks import accumulation_dtype
from .._registry import _choose, _register
from . import _native, _reference, _table
from ._reference import Mixture


def _table_obstacle(tensor: Tensor) -> str | None:
    return "it interpolates in float32 only" if tensor.dtype == torch.float64 else None


_register(
    "mean_over_pairs",
    ("native", _native.obstacle),
    ("table", _table_obstacle),
    ("reference", lambda tensor: None),
)


def sphere_mixture(mixture: Mixture, squared_distances: Tensor, *, implementation: str) -> Tensor:
    """Return f(u) at every squared distance u, differentiable to every order, smooth at u = 0 too."""
    return _evaluate(squared_distances, *_unpack(mixture), implementation)


def mean_over_pairs(mixture: Mixture, samples: Tensor, *, implementation: str) -> Tensor:
    """Return the mean of f(|z_i - z_j|^2) over all i, j for samples (group, sample, dim), in float64.

    Costs one matrix product of sample x sample x dim forward and one backward. Stores one number a pair.
    """
    return _pairs(samples, *_unpack(mixture), implementation)[0]


def _unpack(mixture: Mixture) -> tuple[int, list[float], list[float]]:
    return mixture.dim, list(mixture.frequencies), list(mixture.coefficients)


def _pack(dim: int, frequencies: Sequence[float], coefficients: Sequence[float]) -> Mixture:
    return Mixture(dim, tuple(frequencies), tuple(coefficients))


@torch.library.custom_op("leworld::sphere_mixture", mutates_args=())
def _evaluate(
    u: Tensor, dim: int, frequencies: Sequence[float], coefficients: Sequence[float], implementation: str
) -> Tensor:
    chosen = _choose("mean_over_pairs", implementation, u)
    module = _reference if chosen == "reference" else _table
    return module.evaluate(_pack(dim, frequencies, coefficients), u)


@_evaluate.register_fake
def _(
    u: Tensor, dim: int, frequencies: Sequence[float], coefficients: Sequence[float], implementation: str
) -> Tensor:
    return torch.empty_like(u)


def _evaluate_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    u, ctx.dim, ctx.frequencies, ctx.coefficients, ctx.implementation = inputs
    ctx.save_for_backward(u)


def _evaluate_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    slope = _pack(ctx.dim, ctx.frequencies, ctx.coefficients).derivative()
    (u,) = ctx.saved_tensors
    return grad * _evaluate(u, *_unpack(slope), ctx.implementation), None, None, None, None


_evaluate.register_autograd(_evaluate_backward, setup_context=_evaluate_context)


def _centre(samples: Tensor) -> Tensor:
    """Subtract the mean, which no distance sees, so that the Gram matrix loses fewer digits."""
    samples = samples.to(accumulation_dtype(samples.dtype))
    return samples - samples.mean(-2, keepdim=True)


def _squared_distances(centred: Tensor) -> Tensor:
    squares = centred.square().sum(-1)
    sums = squares.unsqueeze(-1) + squares.unsqueeze(-2)
    distances = torch.baddbmm(sums, centred, centred.mT, alpha=-2).clamp_min(0)
    off = 1 - torch.eye(centred.shape[-2], dtype=distances.dtype, device=distances.device)
    return distances * off


@torch.library.custom_op("leworld::mean_over_pairs", mutates_args=())
def _pairs(
    samples: Tensor,
    dim: int,
    frequencies: Sequence[float],
    coefficients: Sequence[float],
    implementation: str,
) -> tuple[Tensor, Tensor]:
    mixture = _pack(dim, frequencies, coefficients)
    with torch.autocast(samples.device.type, enabled=False):
        centred = _centre(samples)
        chosen = _choose("mean_over_pairs", implementation, centred)
        if chosen == "native" and centred.numel():
            result = _native.mean_over_pairs(mixture, centred)
            if result is not None:
                return result[0], _without_own(result[1])
        module = _reference if chosen == "reference" else _table
        distances = _squared_distances(centred)
        values = module.evaluate(mixture, distances)
        return values.double().mean((-2, -1)), _without_own(module.evaluate(mixture.derivative(), distances))


def _without_own(weights: Tensor) -> Tensor:
    """Set the weight of each sample with itself to 0, in place.

    It is the largest, and multiplies a difference of 0; in the backward pass, a sum minus a product, it would
    leave its rounding, which is more than the gradient of far samples.
    """
    weights.diagonal(dim1=-2, dim2=-1).zero_()
    return weights


@_pairs.register_fake
def _(
    samples: Tensor,
    dim: int,
    frequencies: Sequence[float],
    coefficients: Sequence[float],
    implementation: str,
) -> tuple[Tensor, Tensor]:
    groups, count, _ = samples.shape
    dtype = accumulation_dtype(samples.dtype)
    means = samples.new_empty((groups,), dtype=torch.float64)
    return means, samples.new_empty((groups, count, count), dtype=dtype)


def _pairs_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    samples, ctx.dim, ctx.frequencies, ctx.coefficients, ctx.implementation = inputs
    ctx.save_for_backward(samples, output[1])
    ctx.set_materialize_grads(False)


def _pairs_backward(ctx: Any, grad: Tensor | None, grad_weights: Tensor | None) -> tuple[Any, ...]:
    del grad_weights  # nothing outside ever uses the weights
    samples, weights = ctx.saved_tensors
    if grad is None:
        return None, None, None, None, None
    with torch.autocast(samples.device.type, enabled=False):
        centred = _centre(samples)
        if torch.is_grad_enabled():  # a second derivative is wanted: the weights must depend on the samples
            slope = _pack(ctx.dim, ctx.frequencies, ctx.coefficients).derivative()
            weights = _evaluate(_squared_distances(centred), *_unpack(slope), ctx.implementation)
            weights = weights * (1 - torch.eye(weights.shape[-1], dtype=weights.dtype, device=weights.device))
        scale = (4 / samples.shape[-2] ** 2 * grad.to(centred.dtype))[:, None, None]
        pull = weights.sum(-1, keepdim=True) * centred - weights @ centred
    return (scale * pull).to(samples.dtype), None, None, None, None


_pairs.register_autograd(_pairs_backward, setup_context=_pairs_context)
