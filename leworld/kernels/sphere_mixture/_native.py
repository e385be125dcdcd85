"""For a CPU, in C: value and slope of all pairs in one pass over their inner products."""

import ctypes
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from ..._checks import accumulation_dtype
from ..._products import product
from .._library import Library, load, pointer, row_pointer
from . import _table
from ._reference import Mixture

_REACH = 40.0  # distances in units of sqrt(dim) / t_max: the phases then keep five digits
_SOURCE = Path(__file__).with_name("_native.c")


def obstacle(tensor: Tensor) -> str | None:
    """Say why this cannot run on `tensor`."""
    if tensor.device.type != "cpu":
        return f"the tensor is on {tensor.device}"
    if accumulation_dtype(tensor.dtype) != torch.float32:
        return "it computes in float32 only"
    library = load(_SOURCE)
    return library if isinstance(library, str) else None


def discrepancy(
    pairs: Mixture, points: Mixture, samples: Tensor, with_gradient: bool
) -> tuple[Tensor, Tensor | None] | None:
    """Return what `_pairs.discrepancy` does, or None for distances in the far field or too large for float32.

    A squared distance comes from inner products in float32, whose rounding grows with the farthest sample.
    """
    library = load(_SOURCE)
    if isinstance(library, str):
        raise RuntimeError(library)
    z = samples if samples.stride(-1) == 1 else samples.contiguous()
    groups, count, dim = z.shape
    centred = torch.empty((groups, count, dim), dtype=torch.float32, device="cpu")
    means = torch.empty((groups, dim), dtype=torch.float32, device="cpu")
    squares, norms = torch.empty((2, groups, count), dtype=torch.float32, device="cpu").unbind()
    reach = ctypes.c_float()
    read = (
        pointer(centred, groups, count, dim),
        pointer(means, groups, dim),
        pointer(squares, groups, count),
        pointer(norms, groups, count),
    )
    start = row_pointer(z, groups, count, dim)
    _centre(library)(start, *read, ctypes.addressof(reach), *z.shape, *z.stride()[:2])
    if not reach.value <= min(pairs.far, _REACH * dim**0.5 / max(pairs.frequencies)):
        return None
    near, own = (_table.table(mixture, reach.value, z.device) for mixture in (pairs, points))
    weights = product(centred, centred.mT).contiguous()
    values = torch.empty(groups, dtype=torch.float64, device="cpu")
    gradient = torch.empty_like(centred) if with_gradient else None
    rows = len(near.rows)
    if rows >= 2**31:
        raise RuntimeError(f"C counts rows of a table in 32 bits, and this one has {rows}")
    written = (
        pointer(weights, groups, count, count),
        None if gradient is None else pointer(gradient, groups, count, dim),
        pointer(values, groups, dtype=torch.float64),
    )
    tables = pointer(near.rows, rows, 8), pointer(own.rows, rows, 8)
    _discrepancy(library)(*read, *written, *tables, groups, count, dim, rows, near.inverse)
    return values, None if gradient is None else gradient.add_(product(weights, centred))


def _centre(library: Library) -> Callable[..., None]:
    return library.function("centre", *[ctypes.c_void_p] * 6, *[ctypes.c_long] * 5)


def _discrepancy(library: Library) -> Callable[..., None]:
    types = (*[ctypes.c_void_p] * 9, *[ctypes.c_long] * 4, ctypes.c_float)
    return library.function("discrepancy", *types)
