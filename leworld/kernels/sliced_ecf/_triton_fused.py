"""For CUDA: Triton kernels that project and sum in one, so that no projection is ever in memory.

The backward pass projects once more and writes the projections' gradient for a piece of the slices at a
time, small enough to stay in the second-level cache until a matrix product has taken it up.
"""

import math

import torch
from torch import Tensor

from . import _triton
from ._products import TERMS, Gradients, half_gradient, half_operands, half_scale, halves, splits

obstacle = _triton.obstacle

# (rows, columns, coordinates a step, warps) of a program's tile, where samples are the columns of a matrix
# product and slices its rows, 64 as the matrix unit has. "few" is for few samples, "long" for embeddings of
# more than MAX_STEPS steps, "wide" for float32 products, which have no matrix unit.
FORWARD = {"kept": (32, 64, 64, 4), "few": (16, 64, 64, 4), "long": (32, 64, 32, 4), "wide": (16, 32, 32, 4)}
BACKWARD = {"kept": (32, 64, 64, 4), "wide": (16, 32, 32, 4)}
MAX_STEPS = 4  # directions of up to 4 x 64 coordinates are loaded once a program
MAX_KNOTS = 16
_STAGES = {"num_stages": 2}  # of loads ahead; with 3 the tile for few samples has too few registers
_LONGEST = MAX_STEPS * FORWARD["kept"][2]
_PIECE_BYTES = 32 * 2**20
_INTERPRETED_CACHE = 2**20


def obstacle_knots(num_knots: int) -> str | None:
    """Say why this cannot serve so many knots."""
    return None if num_knots <= MAX_KNOTS else f"it holds at most {MAX_KNOTS} knots"


def drawback(*tensors: Tensor) -> str | None:
    """Say why `auto` projects by a matrix product instead: the rule of size, derived and not yet measured.

    Projecting here saves writing and reading the projections, which counts where they exceed the
    second-level cache. It must not load the directions over and over, which it does beyond 256 coordinates
    (a third where float32 directions are split for bfloat16 embeddings); and it needs half-precision
    embeddings, since float32 ones would miss the tensor cores.
    """
    if len(tensors) < 2:
        return "it is chosen by size, which needs embeddings and directions"
    embeddings, directions = tensors[:2]
    samples, dim = embeddings.shape[-2:]
    split = splits(embeddings, directions)
    if not halves(embeddings, directions) and not split:
        return "it is preferred for half-precision embeddings, and for float16 with directions in float16"
    longest = _LONGEST // TERMS if split else _LONGEST
    if dim > longest:
        return f"beyond {longest} coordinates a matrix product is preferred"
    if samples < _triton.FEW_SAMPLES:
        return f"below {_triton.FEW_SAMPLES} samples a matrix product is preferred"
    if 4 * math.prod(embeddings.shape[:-1]) * directions.shape[1] <= _cache_bytes(embeddings.device):
        return "the projections fit the second-level cache, where a matrix product is preferred"
    return None


def sums(
    embeddings: Tensor, directions: Tensor, spacing: float, num_knots: int, *, parts: int | None = None
) -> Tensor:
    """Return the sums over samples of cos and sin of k spacing y, as (group, 2, knot, slice)."""
    z, a = _operands(embeddings, directions)
    (groups, samples, dim), slices = z.shape, a.shape[1]
    direct = samples < _triton.FEW_SAMPLES
    tile = "wide" if not halves(z, a) else "few" if direct else "long" if dim > _LONGEST else "kept"
    rows, columns, dims, warps = FORWARD[tile]
    parts, share = _triton.cut(groups * -(-slices // columns), samples, rows, z.device, parts)
    partial = z.new_empty((groups, parts, 2, num_knots, slices), dtype=torch.float32)
    sizes = _triton.options(num_knots, rows, columns, warps) | {"DIMS": dims, "WIDEN": _widen(z, a)}
    sizes |= {"STEPS": -(-dim // dims) if tile == "kept" else 0, "DIRECT": direct} | _STAGES
    if partial.numel():
        grid = (-(-slices // columns), parts, groups)
        with _triton.on(z.device):
            _triton.kernels().fused_fwd[grid](
                z, a, partial, samples, slices, dim, share, *_triton.turns(spacing), **sizes
            )
    return partial[:, 0] if parts == 1 else partial.sum(1)


def gradients(
    grad: Tensor, embeddings: Tensor, directions: Tensor, spacing: float, wanted: tuple[bool, bool]
) -> tuple[Tensor, Tensor]:
    """Return the gradients of embeddings and directions, given that of the sums."""
    z, a = _operands(embeddings, directions)
    (groups, samples, dim), slices = z.shape, a.shape[1]
    half = half_gradient(embeddings, directions, wanted)
    scale = half_scale(grad, spacing) if half else None
    grad = grad.contiguous() if scale is None else (grad * scale).contiguous()
    total = Gradients(embeddings, directions, wanted)
    rows, columns, dims, warps = BACKWARD["kept" if halves(z, a) else "wide"]
    sizes = _triton.options(grad.shape[2], rows, columns, warps) | {"DIMS": dims, "WIDEN": _widen(z, a)}
    sizes |= _STAGES
    dtype = z.dtype if half else torch.float32
    piece = max(columns, _PIECE_BYTES // max(groups * samples * dtype.itemsize, 1) // columns * columns)
    for first in range(0, slices if groups * samples else 0, piece):
        last = min(first + piece, slices)
        slope = z.new_empty((last - first, groups * samples), dtype=_triton.stored(dtype))
        grid = (-(-(last - first) // columns), -(-samples // rows), groups)
        with _triton.on(z.device):
            _triton.kernels().fused_bwd[grid](
                z,
                a,
                grad,
                slope,
                samples,
                slices,
                dim,
                first,
                last,
                spacing,
                *_triton.turns(spacing),
                **sizes,
            )
        total.add(slope.to(dtype).T, first, last)
    return total.result(scale)


def _operands(embeddings: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    if halves(embeddings, directions) or splits(embeddings, directions):
        embeddings, directions = half_operands(embeddings, directions)
    return embeddings.contiguous(), directions.contiguous()


def _widen(embeddings: Tensor, directions: Tensor) -> bool:
    """Whether to multiply in float32: for unlike operands, and because the interpreter garbles bfloat16."""
    return not halves(embeddings, directions) or _triton.interpreted()


def _cache_bytes(device: torch.device) -> int:
    if device.type != "cuda":
        return _INTERPRETED_CACHE
    return torch.cuda.get_device_properties(device).L2_cache_size
