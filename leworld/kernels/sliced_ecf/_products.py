"""Matrix products before and after the elementwise work, on the matrix units where that costs no digits."""

import torch
from torch import Tensor

from ..._checks import accumulation_dtype
from ..._products import product, reduced
from . import _reference

TERMS = 3
_HALF = (torch.float16, torch.bfloat16)
_LARGE = 2**33  # operations; below, splitting takes longer than a float32 product (derived, not measured)


def halves(embeddings: Tensor, directions: Tensor) -> bool:
    """Whether both are of one half precision, whose products are exact in float32."""
    return embeddings.dtype == directions.dtype and embeddings.dtype in _HALF


def splits(embeddings: Tensor, directions: Tensor) -> bool:
    """Whether these are bfloat16 and float32, and float32 numbers are sums of TERMS in bfloat16."""
    return embeddings.dtype == torch.bfloat16 and directions.dtype == torch.float32


def split(directions: Tensor) -> list[Tensor]:
    """Return TERMS bfloat16 tensors whose sum is the float32 tensor: 8 digits each, of 24."""
    rest, terms = directions, []
    for _ in range(TERMS):
        terms.append(rest.to(torch.bfloat16))
        rest = rest - terms[-1].float()
    return terms


def half_operands(embeddings: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Return tensors of one half precision with the same product, if `halves` or `splits`.

    The terms of float32 directions come one below the other, and the embeddings once for each.
    """
    if halves(embeddings, directions):
        return embeddings, directions
    return torch.cat([embeddings] * TERMS, -1), torch.cat(split(directions))


def project(embeddings: Tensor, directions: Tensor) -> Tensor:
    """Return embeddings (group, sample, dim) times directions (dim, slice) in the accumulation dtype.

    Two operands of one half precision are multiplied as they are and summed in float32. A large product of
    bfloat16 and float32 is made of bfloat16 ones, which is exact too and faster than one in float32. Any
    other pair is widened, and then PyTorch's float32 matrix-product precision counts.
    """
    flops = 2 * embeddings.numel() * directions.shape[1]
    if not halves(embeddings, directions) and not (splits(embeddings, directions) and flops >= _LARGE):
        return _reference.project(embeddings, directions)
    left, right = half_operands(embeddings.reshape(-1, embeddings.shape[2]), directions)
    return _multiply(left, right).view(*embeddings.shape[:2], directions.shape[1])


def half_gradient(embeddings: Tensor, directions: Tensor, wanted: tuple[bool, bool]) -> bool:
    """Whether rounding the projections' gradient to the embeddings' dtype harms no more than its result's."""
    return halves(embeddings, directions) or (splits(embeddings, directions) and not wanted[1])


def _multiply(left: Tensor, right: Tensor) -> Tensor:
    """Return the product of two half-precision matrices in float32, on tensor cores where PyTorch can."""
    with torch.autocast(left.device.type, enabled=False):
        if left.device.type == "cuda" and torch.version.hip is None and hasattr(torch.ops.aten.mm, "dtype"):
            return torch.mm(left, right, out_dtype=torch.float32)
        return product(left.float(), right.float())


class Gradients:
    """Sums up the gradients of embeddings and directions, piece by piece of the projections' gradient."""

    def __init__(self, embeddings: Tensor, directions: Tensor, wanted: tuple[bool, bool]) -> None:
        dtype = accumulation_dtype(embeddings.dtype)
        self._operands = embeddings.reshape(-1, embeddings.shape[2]), directions
        self._shape = embeddings.shape
        self._totals = [
            torch.zeros_like(operand, dtype=dtype) if want else None
            for operand, want in zip(self._operands, wanted, strict=True)
        ]

    def add(self, slope: Tensor, first: int, last: int) -> None:
        """Add what slices `first` to `last` contribute, `slope` being (group and sample, slice)."""
        flat, directions = self._operands[0], self._operands[1][:, first:last]
        if self._totals[0] is not None:
            # two terms, since the third is far below the rounding of `slope`
            terms = split(directions)[:2] if splits(slope, directions) else [directions]
            for term in terms:
                _add_product(self._totals[0], slope, term.T)
        if self._totals[1] is not None:
            _add_product(self._totals[1][:, first:last], flat.T, slope)

    def result(self, scale: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return both in the dtypes of their operands, divided by `scale`; an unwanted one is empty."""
        if scale is not None:
            for total in self._totals:
                if total is not None:
                    total.div_(scale)
        found = [
            operand.new_empty(0) if total is None else total.to(operand.dtype)
            for operand, total in zip(self._operands, self._totals, strict=True)
        ]
        return found[0].view(self._shape) if found[0].dim() > 1 else found[0], found[1]


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    if left.dtype == right.dtype and left.dtype in _HALF:
        total.add_(_multiply(left, right))
        return
    with torch.autocast(total.device.type, enabled=False):
        left, right = left.to(total.dtype), right.to(total.dtype)
        if total.device.type == "cpu" and reduced():
            total.add_(product(left, right))
        else:
            total.addmm_(left, right)


def half_scale(grad: Tensor, spacing: float) -> Tensor:
    """Return a power of 2 that brings the gradients of all projections to 1 at most, as float16 needs.

    One is a sum over knots and at most spacing times sum_k k (|grad_cos_k| + |grad_sin_k|).
    """
    if not grad.numel():
        return grad.new_ones(())
    knots = torch.arange(1, grad.shape[2] + 1, device=grad.device, dtype=grad.dtype)
    bound = (grad.abs().sum(1) * knots[:, None]).sum(1).amax() * spacing
    exponent = torch.frexp(bound).exponent.clamp(-120, 120)
    return torch.where(bound.isfinite(), torch.ldexp(torch.ones_like(bound), -exponent), bound)
