"""For CUDA: Triton kernels on the projections; only sums and a gradient of their size are ever written."""

import functools
import importlib
import importlib.util
import math
import os
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from ..._checks import accumulation_dtype
from ._products import project as project

PIECE = None  # the backward pass holds the gradient of all projections at once
MAX_KNOTS = 64
# Below this many samples each knot gets a sine and cosine of its own: no average hides rounding errors.
FEW_SAMPLES = 32
# (rows, columns, warps) of a program's tile, by major compute capability, None for every other. Two elements
# a thread forward, since each carries 2 knots sums; 8 or 16 backward, which share their coefficients.
_FORWARD: dict[int | None, tuple[int, int, int]] = {9: (16, 32, 8), None: (8, 32, 4)}
_BACKWARD: dict[int | None, tuple[int, int, int]] = {9: (32, 64, 4), None: (16, 64, 4)}
_INTERPRETED_PROCESSORS = 4


def obstacle(tensor: Tensor) -> str | None:
    """Say why this cannot run on `tensor`; Triton itself compiles at the first call."""
    if tensor.device.type != "cuda" and not (tensor.device.type == "cpu" and interpreted()):
        return f"the tensor is on {tensor.device}"
    if accumulation_dtype(tensor.dtype) != torch.float32:
        return "it computes in float32 only"
    if tensor.device.type == "cuda" and torch.version.hip is None and capability(tensor.device)[0] < 8:
        return "it needs a GPU of compute capability 8.0 or newer"
    return _obstacle_triton()


def obstacle_knots(num_knots: int) -> str | None:
    """Say why this cannot serve so many knots."""
    return None if num_knots <= MAX_KNOTS else f"it holds at most {MAX_KNOTS} knots"


def sums(projections: Tensor, spacing: float, num_knots: int, *, parts: int | None = None) -> Tensor:
    """Return the sums over samples of cos and sin of k spacing y, as (group, 2, knot, slice).

    With few slices the samples are cut into parts, whose sums are added in a fixed order afterwards: no
    atomics, so equal inputs give equal bits.
    """
    y = projections.contiguous()
    groups, samples, slices = y.shape
    rows, columns, warps = _tile(_FORWARD, y.device)
    parts, share = cut(groups * -(-slices // columns), samples, rows, y.device, parts)
    partial = y.new_empty((groups, parts, 2, num_knots, slices), dtype=torch.float32)
    if partial.numel():
        grid = (-(-slices // columns), parts, groups)
        sizes = options(num_knots, rows, columns, warps) | {"DIRECT": samples < FEW_SAMPLES}
        with on(y.device):
            kernels().ep_fwd[grid](y, partial, samples, slices, share, *turns(spacing), **sizes)
    return partial[:, 0] if parts == 1 else partial.sum(1)


def sums_backward(
    grad: Tensor, projections: Tensor, spacing: float, *, dtype: torch.dtype | None = None
) -> Tensor:
    """Return the gradient with respect to the projections, given that of the sums, in `dtype` if told."""
    y, grad = projections.contiguous(), grad.contiguous()
    groups, samples, slices = y.shape
    result = torch.empty_like(y, dtype=stored(dtype))
    if result.numel():
        rows, columns, warps = _tile(_BACKWARD, y.device)
        grid = (-(-slices // columns), -(-samples // rows), groups)
        sizes = options(grad.shape[2], rows, columns, warps)
        with on(y.device):
            kernels().ep_bwd[grid](y, grad, result, samples, slices, spacing, *turns(spacing), **sizes)
    return result if dtype is None else result.to(dtype)


def stored(dtype: torch.dtype | None) -> torch.dtype | None:
    """Return the dtype for a kernel to write: the interpreter cuts float32 off where a GPU rounds it."""
    return torch.float32 if interpreted() else dtype


def options(knots: int, rows: int, columns: int, warps: int) -> dict[str, Any]:
    """Compile-time sizes; every fused multiply-add is explicit, so the compiler need not look for more."""
    sizes = {"KNOTS": knots, "ROWS": rows, "COLUMNS": columns}
    return {**sizes, "num_warps": warps, "enable_fp_fusion": False}


def turns(spacing: float) -> tuple[float, float]:
    """Return spacing in quarter turns: a number of 12 bits, whose small multiples are exact, and the rest."""
    exact = spacing / (math.pi / 2)
    fraction, exponent = math.frexp(exact)
    high = math.ldexp(round(math.ldexp(fraction, 12)), exponent - 12)
    return high, exact - high


def cut(programs: int, samples: int, rows: int, device: torch.device, parts: int | None) -> tuple[int, int]:
    """Return in how many parts to cut the samples, and the size of a part, a multiple of `rows`.

    Unless told, only as many as it takes to give every processor two programs.
    """
    if parts is None:
        processors = _INTERPRETED_PROCESSORS
        if device.type == "cuda":
            processors = torch.cuda.get_device_properties(device).multi_processor_count
        parts = max(1, min(-(-2 * processors // max(programs, 1)), samples // (4 * rows)))
    share = -(-max(samples, 1) // parts)
    share = -(-share // rows) * rows
    return max(1, -(-samples // share)), share


def _tile(tiles: dict[int | None, tuple[int, int, int]], device: torch.device) -> tuple[int, int, int]:
    major = capability(device)[0] if device.type == "cuda" and torch.version.hip is None else None
    return tiles.get(major, tiles[None])


def capability(device: torch.device) -> tuple[int, int]:
    """Return the device's compute capability."""
    return torch.cuda.get_device_capability(device)


def on(device: torch.device) -> AbstractContextManager[object]:
    """Triton launches on the current device, which need not be the tensor's."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def interpreted() -> bool:
    """Whether Triton runs its kernels in Python, on the CPU."""
    return os.environ.get("TRITON_INTERPRET") == "1"


@functools.cache
def _obstacle_triton() -> str | None:
    if importlib.util.find_spec("triton") is None:
        return "triton is not installed (pip install 'leworld[triton]')"
    try:
        kernels()
    except (ImportError, AttributeError, RuntimeError) as error:
        return f"triton does not load ({type(error).__name__}: {error})"
    return None


@functools.cache
def kernels() -> ModuleType:
    """Import the kernels, and with them triton."""
    return importlib.import_module("._triton_kernels", __package__)
