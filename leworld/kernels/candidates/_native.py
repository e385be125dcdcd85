"""For a CPU with a C compiler: one call for all rows."""

import ctypes
import functools
from pathlib import Path

import torch
from torch import Tensor

from .. import _compiler

_SOURCE = Path(__file__).with_name("_native.c")


def obstacle(tensor: Tensor) -> str | None:
    """Say why this cannot run on `tensor`; the first call compiles."""
    if tensor.device.type != "cpu":
        return f"the tensor is on {tensor.device}"
    if tensor.dtype != torch.float32:
        return "it computes in float32 only"
    if torch.compiler.is_compiling():
        return "torch.compile does not see into it"
    found = library()
    return found if isinstance(found, str) else None


def sample_gaussian(table: Tensor, places: list[int], mean: Tensor, std: Tensor | float, num: int) -> Tensor:
    """Draw candidates around a mean; see `Candidates`."""
    rows, horizon, size = mean.shape
    mean, std = mean.contiguous(), std.contiguous() if isinstance(std, Tensor) else std
    actions = torch.empty(rows, num, horizon, size)
    spread, deviation = (std.data_ptr(), 0.0) if isinstance(std, Tensor) else (None, std)
    start, pointers = (ctypes.c_long * rows)(*places), (table.data_ptr(), mean.data_ptr(), actions.data_ptr())
    _compiled().sample_gaussian(*pointers, start, spread, deviation, rows, num, horizon * size)
    return actions


def keep_best(actions: Tensor, costs: Tensor, best: Tensor, best_costs: Tensor) -> tuple[Tensor, bool]:
    """Update the best of every row; see `Candidates`."""
    rows, samples, horizon, size = actions.shape
    actions, costs = actions.contiguous(), costs.contiguous()
    copy = torch.empty(rows, samples)
    pointers = (actions.data_ptr(), costs.data_ptr(), copy.data_ptr(), best.data_ptr(), best_costs.data_ptr())
    return copy, _compiled().keep_best(*pointers, rows, samples, horizon * size) == 1


def refit_gaussian(
    actions: Tensor, costs: Tensor, num: int, mean: Tensor, std: Tensor, correction: int, floor: float
) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation over the elites; see `Candidates`."""
    rows, samples, horizon, size = actions.shape
    actions, costs, mean, std = actions.contiguous(), costs.contiguous(), mean.contiguous(), std.contiguous()
    fitted, fitted_std = torch.empty_like(mean), torch.empty_like(std)
    read = (actions.data_ptr(), costs.data_ptr(), mean.data_ptr(), std.data_ptr())
    written = (fitted.data_ptr(), fitted_std.data_ptr())
    sizes = (rows, samples, horizon * size, num, correction)
    if _compiled().refit_gaussian(*read, *written, *sizes, floor):
        raise MemoryError(f"no memory to refit {rows} rows of {samples} samples")
    return fitted, fitted_std


@functools.cache
def library() -> ctypes.CDLL | str:
    """Return the compiled file, or why there is none."""
    found = _compiler.load(_SOURCE)
    if isinstance(found, str):
        return found
    pointer, size = ctypes.c_void_p, ctypes.c_long
    found.sample_gaussian.argtypes = [pointer] * 5 + [ctypes.c_float] + [size] * 3
    found.sample_gaussian.restype = None
    found.keep_best.argtypes = [pointer] * 5 + [size] * 3
    found.refit_gaussian.argtypes = [pointer] * 6 + [size] * 5 + [ctypes.c_float]
    return found


@functools.cache
def _compiled() -> ctypes.CDLL:
    found = library()
    if isinstance(found, str):
        raise RuntimeError(found)
    return found
