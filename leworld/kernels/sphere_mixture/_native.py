"""For a CPU with a C compiler: value and slope of all pairs in one pass over their inner products."""

import ctypes
import functools
import math
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


def mean_over_pairs(mixture: Mixture, centred: Tensor) -> tuple[Tensor, Tensor] | None:
    """Return means (group) and weights (group, sample, sample), or None if a pair may be in the far field."""
    library = _library()
    if isinstance(library, str):
        raise RuntimeError(library)
    squares = centred.square().sum(-1)
    farthest = 2 * math.sqrt(float(squares.max()))
    if not farthest <= mixture.far:
        return None
    values = _table.table(mixture, farthest, centred.device)
    slopes = _table.table(mixture.derivative(), farthest, centred.device)
    weights = centred @ centred.mT
    groups, samples, _ = centred.shape
    means = torch.empty(groups, dtype=torch.float64)
    tensors = (squares, weights, means, values.coefficients, slopes.coefficients)
    library.mean_over_pairs(
        *(ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors),
        *(ctypes.c_long(size) for size in (groups, samples, len(values.coefficients))),
        ctypes.c_float(values.inverse),
    )
    return means, weights


@functools.cache
def _library() -> ctypes.CDLL | str:
    library = _compiler.load(_SOURCE)
    if not isinstance(library, str):
        library.mean_over_pairs.restype = None
    return library
