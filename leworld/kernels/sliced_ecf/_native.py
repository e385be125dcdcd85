"""For a CPU with a C compiler: one small C file, compiled once at first use and kept in the user's cache."""

import ctypes
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..._checks import accumulation_dtype
from .. import _compiler
from ._reference import project as project

_SOURCE = Path(__file__).with_name("_native.c")
PIECE = 1 << 20  # projections whose gradient the backward pass holds at once
_MAX_KNOTS = 64
_LANES = 16
_WORTH_A_THREAD = 1 << 18


def obstacle(tensor: Tensor) -> str | None:
    """Say why this cannot run on `tensor`; the first call compiles."""
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
    result = torch.empty((groups, 2, num_knots, slices))
    _run("ecf_sums", (y, result), (groups, samples, slices, num_knots), spacing)
    return result


def sums_backward(grad: Tensor, projections: Tensor, spacing: float) -> Tensor:
    """Return the gradient with respect to the projections, given that of the sums."""
    y, grad = projections.contiguous(), grad.contiguous()
    result = torch.empty_like(y)
    _run("ecf_sums_backward", (grad, y, result), (*y.shape, grad.shape[2]), spacing)
    return result


def _run(name: str, tensors: tuple[Tensor, ...], sizes: tuple[int, ...], spacing: float) -> None:
    library = _library()
    if isinstance(library, str):
        raise RuntimeError(library)
    function: Callable[..., Any] = getattr(library, name)
    pointers = [ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors]
    arguments = [*pointers, *(ctypes.c_long(size) for size in sizes), ctypes.c_double(spacing)]
    groups, samples, slices = sizes[:3]
    threads = min(torch.get_num_threads(), groups * samples * slices // _WORTH_A_THREAD, slices // _LANES)
    if threads <= 1:
        function(*arguments, ctypes.c_long(0), ctypes.c_long(slices))
        return
    width = -(-slices // threads // _LANES) * _LANES
    ranges = [(first, min(first + width, slices)) for first in range(0, slices, width)]
    with ThreadPoolExecutor(len(ranges)) as pool:  # ctypes releases the interpreter's lock
        list(pool.map(lambda r: function(*arguments, ctypes.c_long(r[0]), ctypes.c_long(r[1])), ranges))


def _library() -> ctypes.CDLL | str:
    library = _compiler.load(_SOURCE)
    return (
        library if isinstance(library, str) or _computes(library) else "the compiled kernel fails its check"
    )


@functools.cache
def _computes(library: ctypes.CDLL) -> bool:
    """Compare cos 1, cos 2, sin 1, sin 2 with what they are."""
    for name in ("ecf_sums", "ecf_sums_backward"):
        getattr(library, name).restype = None
    y = torch.tensor([1.0])
    result = torch.empty(4)
    pointers = (ctypes.c_void_p(y.data_ptr()), ctypes.c_void_p(result.data_ptr()))
    sizes = (ctypes.c_long(size) for size in (1, 1, 1, 2))
    library.ecf_sums(*pointers, *sizes, ctypes.c_double(1.0), ctypes.c_long(0), ctypes.c_long(1))
    expected = torch.tensor([0.54030231, -0.41614684, 0.84147098, 0.90929743])
    return bool(torch.allclose(result, expected, rtol=0, atol=1e-6))
