"""For a CPU: one small C file, compiled when the package was installed."""

import functools
from concurrent.futures import ThreadPoolExecutor
from ctypes import c_double, c_long, c_void_p
from pathlib import Path

import torch
from torch import Tensor

from ..._checks import accumulation_dtype
from .._library import Library, load, pointer
from ._reference import project as project

_SOURCE = Path(__file__).with_name("_native.c")
PIECE = 1 << 20  # projections whose gradient the backward pass holds at once
_MAX_KNOTS = 64
_LANES = 16
_WORTH_A_THREAD = 1 << 18


def obstacle(tensor: Tensor) -> str | None:
    """Say why this cannot run on `tensor`."""
    if tensor.device.type != "cpu":
        return f"the tensor is on {tensor.device}"
    if accumulation_dtype(tensor.dtype) != torch.float32:
        return "it computes in float32 only"
    library = _library()
    return library if isinstance(library, str) else None


def obstacle_knots(num_knots: int) -> str | None:
    """Say why this cannot serve so many knots."""
    return None if num_knots <= _MAX_KNOTS else f"it holds at most {_MAX_KNOTS} knots"


def sums(projections: Tensor, spacing: float, num_knots: int) -> Tensor:
    """Return the sums over samples of cos and sin of k spacing y, as (group, 2, knot, slice)."""
    y = projections.contiguous()
    groups, samples, slices = y.shape
    result = torch.empty((groups, 2, num_knots, slices), dtype=torch.float32, device="cpu")
    _run("ecf_sums", (y, result), (groups, samples, slices, num_knots), spacing)
    return result


def sums_backward(grad: Tensor, projections: Tensor, spacing: float) -> Tensor:
    """Return the gradient with respect to the projections, given that of the sums."""
    y, grad = projections.contiguous(), grad.contiguous()
    groups, samples, slices = y.shape
    result = torch.empty(y.shape, dtype=torch.float32, device="cpu")
    _run("ecf_sums_backward", (grad, y, result), (groups, samples, slices, grad.shape[2]), spacing)
    return result


def _run(name: str, tensors: tuple[Tensor, ...], sizes: tuple[int, int, int, int], spacing: float) -> None:
    library = _library()
    groups, samples, slices, num_knots = sizes
    obstacle = library if isinstance(library, str) else obstacle_knots(num_knots)
    if isinstance(library, str) or obstacle is not None:
        raise RuntimeError(obstacle)
    function = library.function(name, *[c_void_p] * len(tensors), *[c_long] * 4, c_double, c_long, c_long)
    ys, knots = (groups, samples, slices), (groups, 2, num_knots, slices)
    shapes = (ys, knots) if name == "ecf_sums" else (knots, ys, ys)
    pointers = [pointer(tensor, *shape) for tensor, shape in zip(tensors, shapes, strict=True)]
    threads = min(torch.get_num_threads(), groups * samples * slices // _WORTH_A_THREAD, slices // _LANES)
    if threads <= 1:
        function(*pointers, *sizes, spacing, 0, slices)
        return
    width = -(-slices // threads // _LANES) * _LANES
    ranges = [(first, min(first + width, slices)) for first in range(0, slices, width)]
    with ThreadPoolExecutor(len(ranges)) as pool:  # ctypes releases the interpreter's lock
        list(pool.map(lambda part: function(*pointers, *sizes, spacing, *part), ranges))


def _library() -> Library | str:
    library = load(_SOURCE)
    return library if isinstance(library, str) or _computes(library) else "the compiled C fails its check"


@functools.cache
def _computes(library: Library) -> bool:
    """Compare cos 1, cos 2, sin 1, sin 2 with what they are."""
    y, found = (torch.ones(size, dtype=torch.float32, device="cpu") for size in (1, 4))
    function = library.function("ecf_sums", *[c_void_p] * 2, *[c_long] * 4, c_double, c_long, c_long)
    function(pointer(y, 1), pointer(found, 4), 1, 1, 1, 2, 1.0, 0, 1)
    expected = (0.54030231, -0.41614684, 0.84147098, 0.90929743)
    return all(abs(a - b) < 1e-6 for a, b in zip(found.tolist(), expected, strict=True))
