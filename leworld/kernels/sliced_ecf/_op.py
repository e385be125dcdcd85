"""Registration with torch.library, autograd, and the public function."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ..._checks import accumulation_dtype, check_number
from ..._typing import shapechecked
from ...errors import KernelUnavailableError
from .._registry import _choose, _register, check_implementation
from . import _cpu, _native, _reference, _triton

_IMPLEMENTATIONS = {"native": _native, "cpu": _cpu, "triton": _triton, "reference": _reference}
_UNLIMITED = {"native": "cpu", "triton": "reference"}  # what serves more knots than registers hold
_register(
    "ecf_sums",
    ("native", _native.obstacle),
    ("cpu", _cpu.obstacle),
    ("triton", _triton.obstacle),
    ("reference", lambda tensor: None),
)


@shapechecked
def ecf_sums(
    embeddings: Float[Tensor, "*batch sample dim"],
    directions: Float[Tensor, "dim slice"],
    *,
    spacing: float,
    num_knots: int,
    implementation: str = "auto",
) -> Float[Tensor, "*batch 2 knot slice"]:
    """Sum cos(t_k y) and sin(t_k y) over samples, y the projections on each direction, t_k = k * spacing.

    Divided by the number of samples these are real and imaginary part of the empirical characteristic
    function; as sums they can be added over ranks first. The fast implementations compute one sine and cosine
    a projection, reach the further knots by rotation, and store nothing of size sample x slice x knot for the
    backward pass, which computes them again. Costs two matrix products of sample x dim x slice forward and
    backward and about 12 operations a projection and knot.

        sums[0, k, s] = sum_n cos(k * spacing * <z_n, a_s>),  sums[1, k, s] = sum_n sin(...),  k =
        1..num_knots

    The knot at 0 is left out: its sums are the number of samples and 0.

    Shapes: embeddings (*batch, sample, dim), directions (dim, slice) -> (*batch, 2, knot, slice).

    Args:
        embeddings: Points to project.
        directions: One direction a column.
        spacing: Distance between neighbouring knots, above 0.
        num_knots: Knots above 0, at least 1.
        implementation: "auto", "reference" (the formula), "cpu" (tiles in PyTorch), "native" (C, compiled at
            first use; CPU and float32 accumulation, up to 64 knots), "triton" (CUDA, the same limits).

    Raises:
        ShapeError: For axes that do not fit.
        ConfigError: For an option out of range.
        KernelUnavailableError: For a named implementation that cannot run here.

    Numerics: projects and sums in float32 (float64 for float64) whatever autocast says; the result has that
    dtype. Differentiable in embeddings and directions, also twice; a second derivative takes the formula and
    stores sample x slice x knot numbers.

    Source: the rotation exp(i (k+1) theta) = exp(i k theta) exp(i theta), and Horner's rule for its gradient.

    Example:
        ```python
        import torch
        from leworld.kernels import ecf_sums

        z = torch.randn(16, 3, generator=torch.Generator().manual_seed(0))
        sums = ecf_sums(z, torch.eye(3), spacing=0.5, num_knots=2)
        assert torch.allclose(sums[1, 1], torch.sin(z).sum(0), atol=1e-5)
        ```
    """
    if not torch.compiler.is_compiling():
        check_implementation("ecf_sums", "ecf_sums", implementation)
        check_number("ecf_sums", "spacing", spacing, low=0, open_low=True)
        check_number("ecf_sums", "num_knots", num_knots, low=1, integer=True)
    flat = embeddings.reshape(-1, *embeddings.shape[-2:])
    sums, _ = _forward(flat, directions, spacing, num_knots, implementation)
    return sums.reshape(*embeddings.shape[:-2], *sums.shape[1:])


def _module(implementation: str, tensor: Tensor, num_knots: int) -> Any:
    chosen = _choose("ecf_sums", implementation, tensor)
    module: Any = _IMPLEMENTATIONS[chosen]
    too_many = module.obstacle_knots(num_knots) if chosen in _UNLIMITED else None
    if too_many is None:
        return module
    if implementation == "auto":
        return _IMPLEMENTATIONS[_UNLIMITED[chosen]]
    raise KernelUnavailableError(
        f'ecf_sums with `implementation="{chosen}"` needs fewer knots',
        too_many,
        f'Pass `implementation="{_UNLIMITED[chosen]}"`',
    )


@torch.library.custom_op("leworld::ecf_sums", mutates_args=())
def _forward(
    embeddings: Tensor, directions: Tensor, spacing: float, num_knots: int, implementation: str
) -> tuple[Tensor, Tensor]:
    projections = _reference.project(embeddings, directions)
    module = _module(implementation, projections, num_knots)
    return module.sums(projections, spacing, num_knots), projections


@_forward.register_fake
def _(
    embeddings: Tensor, directions: Tensor, spacing: float, num_knots: int, implementation: str
) -> tuple[Tensor, Tensor]:
    groups, samples, _ = embeddings.shape
    dtype, slices = accumulation_dtype(embeddings.dtype), directions.shape[1]
    sums = embeddings.new_empty((groups, 2, num_knots, slices), dtype=dtype)
    return sums, embeddings.new_empty((groups, samples, slices), dtype=dtype)


@torch.library.custom_op("leworld::ecf_sums_backward", mutates_args=())
def _backward(grad: Tensor, projections: Tensor, spacing: float, implementation: str) -> Tensor:
    return _module(implementation, projections, grad.shape[2]).sums_backward(grad, projections, spacing)


@_backward.register_fake
def _(grad: Tensor, projections: Tensor, spacing: float, implementation: str) -> Tensor:
    return torch.empty_like(projections)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    embeddings, directions, ctx.spacing, ctx.num_knots, ctx.implementation = inputs
    ctx.save_for_backward(embeddings, directions, output[1])
    ctx.set_materialize_grads(False)


def _differentiate(ctx: Any, grad: Tensor | None, grad_projections: Tensor | None) -> tuple[Any, ...]:
    del grad_projections  # nothing outside ever uses the projections
    embeddings, directions, projections = ctx.saved_tensors
    if grad is None:
        return None, None, None, None, None
    if torch.is_grad_enabled():  # a second derivative is wanted: the formula differentiates as it stands
        projections = _reference.project(embeddings, directions)
        slope = _reference.sums_backward(grad, projections, ctx.spacing)
    else:
        slope = _backward(grad, projections, ctx.spacing, ctx.implementation)
    with torch.autocast(slope.device.type, enabled=False):
        grad_embeddings = grad_directions = None
        if ctx.needs_input_grad[0]:
            grad_embeddings = (slope @ directions.to(slope.dtype).T).to(embeddings.dtype)
        if ctx.needs_input_grad[1]:
            flat = embeddings.to(slope.dtype).flatten(0, 1)
            grad_directions = (flat.T @ slope.flatten(0, 1)).to(directions.dtype)
    return grad_embeddings, grad_directions, None, None, None


_forward.register_autograd(_differentiate, setup_context=_setup_context)
