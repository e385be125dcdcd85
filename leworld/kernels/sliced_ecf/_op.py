"""Registration with torch.library, autograd, and the public function."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ..._checks import accumulation_dtype, check_dense, check_number, check_one_device
from ..._phases import FAR, reaches
from ..._products import product
from ..._transforms import transforming
from ..._typing import shapechecked
from ...errors import KernelUnavailableError
from .._registry import _choose, _register, check_implementation
from . import _cpu, _native, _products, _reference, _triton, _triton_fused

_IMPLEMENTATIONS = {
    "native": _native,
    "cpu": _cpu,
    "triton_fused": _triton_fused,
    "triton": _triton,
    "reference": _reference,
}
_UNLIMITED = {"native": "cpu", "triton_fused": "triton", "triton": "reference"}  # what holds more knots
_register(
    "ecf_sums",
    ("native", _native.obstacle),
    ("cpu", _cpu.obstacle),
    ("triton_fused", _triton_fused.obstacle),
    ("triton", _triton.obstacle),
    ("reference", lambda tensor: None),
    drawbacks={"triton_fused": _triton_fused.drawback},
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
    function; as sums they can be added over ranks first. The fast implementations compute one or two sines
    and cosines a projection, make the further knots of their products, and store nothing of size sample x
    slice x knot for the backward pass, which computes them again. Costs two matrix products of sample x dim x
    slice forward and backward and a dozen operations, or fewer, a projection and knot.

        sums[0, k, s] = sum_n cos(k * spacing * <z_n, a_s>),  sums[1, k, s] = sum_n sin(...),  k =
        1..num_knots

    The knot at 0 is left out: its sums are the number of samples and 0.

    Shapes: embeddings (*batch, sample, dim), directions (dim, slice) -> (*batch, 2, knot, slice).

    Args:
        embeddings: Points to project.
        directions: One direction a column.
        spacing: Distance between neighbouring knots, above 0.
        num_knots: Knots above 0, at least 1.
        implementation: "auto", "reference" (the formula), "cpu" (tiles in PyTorch), "native" (C, if it
            was compiled at install; CPU and float32 accumulation, up to 64 knots), "triton" (CUDA, the same
            limits) or "triton_fused" (the same, and no projection is ever stored). Of the last two "auto"
            chooses by size; `leworld.kernels.explain` says which and why.

    Raises:
        ShapeError: For axes that do not fit.
        ConfigError: For an option out of range.
        KernelUnavailableError: For a named implementation that cannot run here.

    Numerics: projects and sums in float32 (float64 for float64) whatever autocast says; the result has that
    dtype. On CUDA, half-precision embeddings meet directions of their own precision on tensor cores, whose
    products are exact; float32 directions are first split into three bfloat16 terms where that pays. So does
    the projections' gradient, rounded to that precision. The error is at most twice that of the formula in
    float32. Differentiable in embeddings and directions, also twice,
    in forward mode and under torch.func; all but the first derivative in backward mode takes the formula and
    stores sample x slice x knot numbers. On a CPU, projections that float32 would turn by a visible part of a
    turn are computed in float64.

    Source: products of powers of exp(i theta), of which the rotation exp(i (k+1) theta) = exp(i k theta)
    exp(i theta) is the simplest, and Horner's rule or the same products for the gradient.

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
        check_implementation("ecf_sums", implementation, owner="ecf_sums")
        check_number("ecf_sums", "spacing", spacing, low=0, open_low=True)
        check_number("ecf_sums", "num_knots", num_knots, low=1, high=65_536, integer=True)
        check_one_device("ecf_sums", embeddings=embeddings, directions=directions)
        check_dense("ecf_sums", embeddings=embeddings, directions=directions)
    flat = embeddings.unsqueeze(0).flatten(0, -3)
    if transforming():
        _chosen(implementation, flat, directions, num_knots)
        sums = _reference.sums(_reference.phases(flat, directions, spacing), spacing, num_knots)
    else:
        sums, _ = _forward(flat, directions, spacing, num_knots, implementation)
    return sums.reshape(*embeddings.shape[:-2], *sums.shape[1:])


def _chosen(implementation: str, embeddings: Tensor, directions: Tensor, num_knots: int) -> str:
    chosen = _choose("ecf_sums", implementation, embeddings, directions)
    while chosen in _UNLIMITED:
        module: Any = _IMPLEMENTATIONS[chosen]
        too_many = module.obstacle_knots(num_knots)
        if too_many is None:
            break
        if implementation != "auto":
            raise KernelUnavailableError(
                f'ecf_sums with `implementation="{chosen}"` needs fewer knots',
                too_many,
                f'Pass `implementation="{_UNLIMITED[chosen]}"`',
            )
        chosen = _UNLIMITED[chosen]
    return chosen


@torch.library.custom_op("leworld::ecf_sums", mutates_args=())
def _forward(
    embeddings: Tensor, directions: Tensor, spacing: float, num_knots: int, implementation: str
) -> tuple[Tensor, Tensor]:
    chosen = _chosen(implementation, embeddings, directions, num_knots)
    if chosen == "triton_fused":
        return _triton_fused.sums(embeddings, directions, spacing, num_knots), _nothing(embeddings)
    module: Any = _IMPLEMENTATIONS[chosen]
    projections = module.project(embeddings, directions)
    if reaches(projections, FAR / (spacing * num_knots)):
        projections = _reference.phases(embeddings, directions, spacing)
    return module.sums(projections, spacing, num_knots), projections


@_forward.register_fake
def _(
    embeddings: Tensor, directions: Tensor, spacing: float, num_knots: int, implementation: str
) -> tuple[Tensor, Tensor]:
    groups, samples, _ = embeddings.shape
    dtype, slices = accumulation_dtype(embeddings.dtype), directions.shape[1]
    sums = embeddings.new_empty((groups, 2, num_knots, slices), dtype=dtype)
    fused = implementation == "triton_fused"
    if implementation == "auto" and embeddings.device.type == "cuda":
        fused = _chosen(implementation, embeddings, directions, num_knots) == "triton_fused"
    if fused:
        return sums, _nothing(embeddings)
    return sums, embeddings.new_empty((groups, samples, slices), dtype=dtype)


def _nothing(tensor: Tensor) -> Tensor:
    """Stands for projections that were never stored; of one axis, which tells it from those."""
    return tensor.new_empty(0, dtype=accumulation_dtype(tensor.dtype))


@torch.library.custom_op("leworld::ecf_sums_backward", mutates_args=())
def _backward(
    grad: Tensor,
    embeddings: Tensor,
    directions: Tensor,
    projections: Tensor,
    spacing: float,
    implementation: str,
    to_embeddings: bool,
    to_directions: bool,
) -> tuple[Tensor, Tensor]:
    wanted = to_embeddings, to_directions
    if projections.dim() == 1:
        return _triton_fused.gradients(grad, embeddings, directions, spacing, wanted)
    chosen = _chosen(implementation, embeddings, directions, grad.shape[2])
    module: Any = _IMPLEMENTATIONS[chosen]
    total = _products.Gradients(embeddings, directions, wanted)
    scale = None
    options = {}
    if chosen == "triton" and _products.half_gradient(embeddings, directions, wanted):
        scale = _products.half_scale(grad, spacing)
        grad, options = grad * scale, {"dtype": embeddings.dtype}
    rows, slices = projections.shape[0] * projections.shape[1], projections.shape[2]
    piece = max(512, module.PIECE // max(rows, 1)) if module.PIECE else max(slices, 1)
    for first in range(0, slices, piece):
        last = min(first + piece, slices)
        part = projections[..., first:last]
        slope = module.sums_backward(grad[..., first:last], part, spacing, **options)
        total.add(slope.reshape(rows, last - first), first, last)
    return total.result(scale)


@_backward.register_fake
def _(
    grad: Tensor,
    embeddings: Tensor,
    directions: Tensor,
    projections: Tensor,
    spacing: float,
    implementation: str,
    to_embeddings: bool,
    to_directions: bool,
) -> tuple[Tensor, Tensor]:
    return (
        embeddings.new_empty(embeddings.shape if to_embeddings else 0),
        directions.new_empty(directions.shape if to_directions else 0),
    )


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    embeddings, directions, ctx.spacing, ctx.num_knots, ctx.implementation = inputs
    ctx.save_for_backward(embeddings, directions, output[1])
    ctx.set_materialize_grads(False)


def _differentiate(ctx: Any, grad: Tensor | None, grad_projections: Tensor | None) -> tuple[Any, ...]:
    del grad_projections  # nothing outside ever uses the projections
    embeddings, directions, projections = ctx.saved_tensors
    wanted = ctx.needs_input_grad[:2]
    if grad is None:
        return None, None, None, None, None
    # Where a second derivative is wanted, or one is mapped: the formula differentiates as it stands.
    if torch.is_grad_enabled() or transforming():
        found = _formula_gradients(grad, embeddings, directions, ctx.spacing)
    else:
        found = _backward(grad, embeddings, directions, projections, ctx.spacing, ctx.implementation, *wanted)
    first, second = (value if want else None for value, want in zip(found, wanted, strict=True))
    return first, second, None, None, None


def _formula_gradients(
    grad: Tensor, embeddings: Tensor, directions: Tensor, spacing: float
) -> tuple[Tensor, Tensor]:
    slope = _reference.sums_backward(grad, _reference.phases(embeddings, directions, spacing), spacing)
    with torch.autocast(slope.device.type, enabled=False):
        flat = embeddings.to(slope.dtype).flatten(0, 1)
        return (
            product(slope, directions.to(slope.dtype).T).to(embeddings.dtype),
            product(flat.T, slope.flatten(0, 1)).to(directions.dtype),
        )


_forward.register_autograd(_differentiate, setup_context=_setup_context)
