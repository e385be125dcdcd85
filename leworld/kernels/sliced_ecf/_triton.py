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

_MAX_KNOTS = 64
# (rows, columns, warps) of a program's tile, by major compute capability, None for every other. Two elements
# a thread forward, since each carries 2 knots sums; 8 or 16 backward, which share their coefficients.
_FORWARD: dict[int | None, tuple[int, int, int]] = {9: (16, 32, 8), None: (8, 32, 4)}
_BACKWARD: dict[int | None, tuple[int, int, int]] = {9: (32, 64, 4), None: (16, 64, 4)}
_INTERPRETED_PROCESSORS = 4


def obstacle(tensor: Tensor) -> str | None:
    """Say why this cannot run on `tensor`; Triton itself compiles at the first call."""
    if tensor.device.type != "cuda" and not (tensor.device.type == "cpu" and _interpreted()):
        return f"the tensor is on {tensor.device}"
    if accumulation_dtype(tensor.dtype) != torch.float32:
        return "it computes in float32 only"
    if tensor.device.type == "cuda" and torch.version.hip is None and _capability(tensor.device)[0] < 8:
        return "it needs a GPU of compute capability 8.0 or newer"
    return _obstacle_triton()


def obstacle_knots(num_knots: int) -> str | None:
    """Say why this cannot serve so many knots."""
    return None if num_knots <= _MAX_KNOTS else f"it holds at most {_MAX_KNOTS} knots"


def sums(projections: Tensor, spacing: float, num_knots: int, *, parts: int | None = None) -> Tensor:
    """Return the sums over samples of cos and sin of k spacing y, as (group, 2, knot, slice).

    With few slices the samples are cut into parts, whose sums are added in a fixed order afterwards: no
    atomics, so equal inputs give equal bits.
    """
    y = projections.contiguous()
    groups, samples, slices = y.shape
    rows, columns, warps = _tile(_FORWARD, y.device)
    if parts is None:
        parts = _parts(groups * -(-slices // columns), samples, rows, y.device)
    share = -(-max(samples, 1) // parts)
    share = -(-share // rows) * rows
    parts = max(1, -(-samples // share))
    partial = y.new_empty((groups, parts, 2, num_knots, slices), dtype=torch.float32)
    if partial.numel():
        grid = (-(-slices // columns), parts, groups)
        sizes = _options(num_knots, rows, columns, warps)
        with _on(y.device):
            _kernels().ep_fwd[grid](y, partial, samples, slices, share, *_turns(spacing), **sizes)
    return partial[:, 0] if parts == 1 else partial.sum(1)


def sums_backward(grad: Tensor, projections: Tensor, spacing: float) -> Tensor:
    """Return the gradient with respect to the projections, given that of the sums."""
    y, grad = projections.contiguous(), grad.contiguous()
    groups, samples, slices = y.shape
    result = torch.empty_like(y)
    if result.numel():
        rows, columns, warps = _tile(_BACKWARD, y.device)
        grid = (-(-slices // columns), -(-samples // rows), groups)
        sizes = _options(grad.shape[2], rows, columns, warps)
        with _on(y.device):
            _kernels().ep_bwd[grid](y, grad, result, samples, slices, spacing, *_turns(spacing), **sizes)
    return result


def _options(knots: int, rows: int, columns: int, warps: int) -> dict[str, Any]:
    """Compile-time sizes; every fused multiply-add is explicit, so the compiler need not look for more."""
    sizes = {"KNOTS": knots, "ROWS": rows, "COLUMNS": columns}
    return {**sizes, "num_warps": warps, "enable_fp_fusion": False}


def _turns(spacing: float) -> tuple[float, float]:
    """Return spacing in quarter turns as a float32 and the rest that float32 leaves."""
    exact = spacing / (math.pi / 2)
    high = torch.tensor(exact, dtype=torch.float32).item()
    return high, exact - high


def _parts(programs: int, samples: int, rows: int, device: torch.device) -> int:
    """Cut samples only as far as it takes to give every processor two programs."""
    processors = _INTERPRETED_PROCESSORS
    if device.type == "cuda":
        processors = torch.cuda.get_device_properties(device).multi_processor_count
    return max(1, min(-(-2 * processors // max(programs, 1)), samples // (4 * rows)))


def _tile(tiles: dict[int | None, tuple[int, int, int]], device: torch.device) -> tuple[int, int, int]:
    major = _capability(device)[0] if device.type == "cuda" and torch.version.hip is None else None
    return tiles.get(major, tiles[None])


def _capability(device: torch.device) -> tuple[int, int]:
    return torch.cuda.get_device_capability(device)


def _on(device: torch.device) -> AbstractContextManager[object]:
    """Triton launches on the current device, which need not be the tensor's."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def _interpreted() -> bool:
    return os.environ.get("TRITON_INTERPRET") == "1"


@functools.cache
def _obstacle_triton() -> str | None:
    if importlib.util.find_spec("triton") is None:
        return "triton is not installed (pip install 'leworld[triton]')"
    try:
        _kernels()
    except (ImportError, AttributeError, RuntimeError) as error:
        return f"triton does not load ({type(error).__name__}: {error})"
    return None


@functools.cache
def _kernels() -> ModuleType:
    return importlib.import_module("._triton_kernels", __package__)
