"""Registration with torch.library and autograd of a mixture and of the discrepancy made of two."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..._checks import accumulation_dtype
from ..._transforms import transforming
from .._registry import _choose, _register
from . import _native, _pairs, _reference, _table
from ._reference import Mixture


def _table_obstacle(tensor: Tensor) -> str | None:
    return "it interpolates in float32 only" if tensor.dtype == torch.float64 else None


_register(
    "sphere_discrepancy",
    ("native", _native.obstacle),
    ("table", _table_obstacle),
    ("reference", lambda tensor: None),
)


def sphere_mixture(mixture: Mixture, squared_distances: Tensor, *, implementation: str) -> Tensor:
    """Return f(u) at every squared distance u, differentiable to every order, smooth at u = 0 too."""
    if transforming():
        result = _Evaluated.apply(squared_distances, mixture, implementation)
        return result  # pyright: ignore[reportReturnType] -- untyped
    frequencies, coefficients = list(mixture.frequencies), list(mixture.coefficients)
    return _evaluate(squared_distances, mixture.dim, frequencies, coefficients, implementation)


def sphere_discrepancy(
    pairs: Mixture, points: Mixture, constant: float, samples: Tensor, *, implementation: str
) -> Tensor:
    """Return N [mean_ij f(|z_i - z_j|^2) - 2 mean_i g(|z_i|^2) + constant], averaged over groups.

    f is `pairs` and g is `points`, of equal frequencies; samples are (group, sample, dim), N of them. Costs a
    matrix product of sample x sample x dim, and another one for the gradient, which is made in the forward
    pass if the samples want one: it then stores as much as the samples. Within a transform of PyTorch
    (torch.func, forward mode) it stores sample x sample numbers.
    """
    if transforming():
        _choose("sphere_discrepancy", implementation, samples)
        with torch.autocast(samples.device.type, enabled=False):
            return _pairs.differentiable(pairs, points, constant, samples, sphere_mixture, implementation)
    wanted = torch.is_grad_enabled() and samples.requires_grad
    coefficients = list(pairs.frequencies), list(pairs.coefficients), list(points.coefficients)
    return _discrepancy(samples, *coefficients, constant, implementation, wanted)[0]


@torch.library.custom_op(  # torch before 2.7 reads no schema from the sequences of `collections.abc`
    "leworld::sphere_mixture",
    mutates_args=(),
    schema="(Tensor u, int dim, float[] frequencies, float[] coefficients, str implementation) -> Tensor",
)
def _evaluate(
    u: Tensor, dim: int, frequencies: Sequence[float], coefficients: Sequence[float], implementation: str
) -> Tensor:
    return _values(Mixture(dim, tuple(frequencies), tuple(coefficients)), u, implementation)


def _values(mixture: Mixture, u: Tensor, implementation: str) -> Tensor:
    chosen = _choose("sphere_discrepancy", implementation, u)
    module = _reference if chosen == "reference" else _table
    return module.evaluate(mixture, u)[0]


class _Evaluated(torch.autograd.Function):
    """`sphere_mixture` for transforms of PyTorch, to every order: the derivative is a mixture again."""

    @staticmethod
    def forward(u: Tensor, mixture: Mixture, implementation: str) -> Tensor:
        return _values(mixture, u, implementation)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        u, ctx.mixture, ctx.implementation = inputs
        ctx.save_for_backward(u)
        ctx.save_for_forward(u)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return grads[0] * _slope(ctx), None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        return tangents[0] * _slope(ctx)

    @staticmethod
    def vmap(info: Any, in_dims: Any, *inputs: Any) -> tuple[Any, Any]:
        return _Evaluated.apply(*inputs), in_dims[0]


def _slope(ctx: Any) -> Tensor:
    return sphere_mixture(ctx.mixture.derivative(), ctx.saved_tensors[0], implementation=ctx.implementation)


@_evaluate.register_fake
def _(
    u: Tensor, dim: int, frequencies: Sequence[float], coefficients: Sequence[float], implementation: str
) -> Tensor:
    return torch.empty_like(u)


def _evaluate_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    u, ctx.dim, ctx.frequencies, ctx.coefficients, ctx.implementation = inputs
    ctx.save_for_backward(u)


def _evaluate_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    slope = Mixture(ctx.dim, tuple(ctx.frequencies), tuple(ctx.coefficients)).derivative()
    (u,) = ctx.saved_tensors
    return grad * sphere_mixture(slope, u, implementation=ctx.implementation), None, None, None, None


_evaluate.register_autograd(_evaluate_backward, setup_context=_evaluate_context)


@torch.library.custom_op(
    "leworld::sphere_discrepancy",
    mutates_args=(),
    schema="(Tensor samples, float[] frequencies, float[] pairs, float[] points, float constant, "
    "str implementation, bool with_gradient) -> (Tensor, Tensor)",
)
def _discrepancy(
    samples: Tensor,
    frequencies: Sequence[float],
    pairs: Sequence[float],
    points: Sequence[float],
    constant: float,
    implementation: str,
    with_gradient: bool,
) -> tuple[Tensor, Tensor]:
    _, count, dim = samples.shape
    f, g = (Mixture(dim, tuple(frequencies), tuple(coefficients)) for coefficients in (pairs, points))
    with torch.autocast(samples.device.type, enabled=False):
        z = samples.to(accumulation_dtype(samples.dtype))
        chosen = _choose("sphere_discrepancy", implementation, z)
        found = _native.discrepancy(f, g, z, with_gradient) if chosen == "native" else None
        if found is None:
            module = _reference if chosen == "reference" else _table
            found = _pairs.discrepancy(module, f, g, z, with_gradient)
        values, gradient = found
        value = (count * (values.mean() + constant)).to(z)
        return value, z.new_empty(0) if gradient is None else gradient


@_discrepancy.register_fake
def _(
    samples: Tensor,
    frequencies: Sequence[float],
    pairs: Sequence[float],
    points: Sequence[float],
    constant: float,
    implementation: str,
    with_gradient: bool,
) -> tuple[Tensor, Tensor]:
    dtype = accumulation_dtype(samples.dtype)
    shape = samples.shape if with_gradient else (0,)
    return samples.new_empty((), dtype=dtype), samples.new_empty(shape, dtype=dtype)


def _discrepancy_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    samples, *ctx.settings, _ = inputs
    ctx.save_for_backward(samples, output[1])
    ctx.set_materialize_grads(False)


def _discrepancy_backward(ctx: Any, grad: Tensor | None, grad_gradient: Tensor | None) -> tuple[Any, ...]:
    del grad_gradient  # nothing outside ever uses the gradient that the forward pass made
    samples, gradient = ctx.saved_tensors
    nothing = (None,) * 6
    if grad is None:
        return None, *nothing
    frequencies, pairs, points, _, implementation = ctx.settings
    with torch.autocast(samples.device.type, enabled=False):
        # Where a second derivative is wanted, or one is mapped, the gradient must depend on the samples.
        if torch.is_grad_enabled() or transforming():
            f, g = (Mixture(samples.shape[-1], tuple(frequencies), tuple(c)) for c in (pairs, points))
            gradient = _pairs.differentiable_gradient(f, g, samples, sphere_mixture, implementation)
        scale = grad * (4 / (samples.shape[0] * samples.shape[1]))
        return (scale * gradient).to(samples.dtype), *nothing


_discrepancy.register_autograd(_discrepancy_backward, setup_context=_discrepancy_context)
