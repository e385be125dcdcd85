"""For a CPU with a C compiler: value and slope of all pairs in one pass over their inner products."""

import ctypes
import functools
from pathlib import Path

import torch
from torch import Tensor

from ..._checks import accumulation_dtype
from .. import _compiler
from . import _table
from ._reference import Mixture

_SOURCE = Path(__file__).with_name("_native.c")


def obstacle(tensor: Tensor) -> str | None:
    """Say why this cannot run on `tensor`; the first call compiles."""
    if tensor.device.type != "cpu":
        return f"the tensor is on {tensor.device}"
    if accumulation_dtype(tensor.dtype) != torch.float32:
        return "it computes in float32 only"
    library = _library()
    return library if isinstance(library, str) else None


def discrepancy(
    pairs: Mixture, points: Mixture, samples: Tensor, with_gradient: bool
) -> tuple[Tensor, Tensor | None] | None:
    """Return what `_pairs.discrepancy` does, or None if a distance may be in the far field."""
    library = _library()
    if isinstance(library, str):
        raise RuntimeError(library)
    z = samples if samples.stride(-1) == 1 else samples.contiguous()
    groups, count, dim = z.shape
    centred, means = torch.empty_like(z, memory_format=torch.contiguous_format), z.new_empty(groups, 1, dim)
    squares, norms = z.new_empty(2, groups, count).unbind()
    reach = ctypes.c_float()
    tensors = (z, centred, means, squares, norms)
    library.centre(
        *(tensor.data_ptr() for tensor in tensors), ctypes.addressof(reach), *z.shape, *z.stride()[:2]
    )
    if not reach.value <= pairs.far:
        return None
    near, own = (_table.table(mixture, reach.value, z.device) for mixture in (pairs, points))
    weights, values = centred @ centred.mT, torch.empty(groups, dtype=torch.float64)
    gradient = torch.empty_like(centred) if with_gradient else None
    tensors = (centred, means, squares, norms, weights, gradient, values, near.rows, own.rows)
    library.discrepancy(
        *(None if tensor is None else tensor.data_ptr() for tensor in tensors),
        *(groups, count, dim, len(near.rows), near.inverse),
    )
    return values, None if gradient is None else gradient.add_(weights @ centred)


@functools.cache
def _library() -> ctypes.CDLL | str:
    library = _compiler.load(_SOURCE)
    if not isinstance(library, str):
        pointer, size, number = ctypes.c_void_p, ctypes.c_long, ctypes.c_float
        library.centre.restype = library.discrepancy.restype = None
        library.centre.argtypes = [pointer] * 6 + [size] * 5
        library.discrepancy.argtypes = [pointer] * 9 + [size] * 4 + [number]
    return library
