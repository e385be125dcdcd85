"""The one place that words user-facing errors about shapes, dtypes, ranges and optional packages."""

import difflib
import importlib
import math
from collections.abc import Iterable
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from .errors import ConfigError, MissingExtraError, NonFiniteError, ShapeError


def describe(value: object) -> str:
    """Say what `value` is the way its owner would: dtype and shape of a tensor, else its repr."""
    if isinstance(value, Tensor):
        return f"{_article(str(value.dtype).removeprefix('torch.'))} tensor of shape {tuple(value.shape)}"
    if isinstance(value, np.ndarray):
        return f"{_article(str(value.dtype))} array of shape {value.shape}"
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _article(word: str) -> str:
    return f"an {word}" if word[0] in "aeio" else f"a {word}"


def quoted(names: Iterable[object]) -> str:
    """List names for a message, each between backticks."""
    return ", ".join(f"`{name}`" for name in names)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a sentence that names the closest known word, or all of them when none is close."""
    words = sorted(known)
    close = difflib.get_close_matches(name, words, n=1, cutoff=0.6)
    listing = quoted(words)
    return f"Did you mean `{close[0]}`? Known: {listing}" if close else f"Known: {listing}"


def check_number(
    owner: str,
    name: str,
    value: object,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    open_low: bool = False,
    integer: bool = False,
    fix: str = "",
) -> None:
    """Raise `ConfigError` unless `value` is a finite number (an integer if asked) in the given range."""
    kind = "an integer" if integer else "a finite number"
    right_type = (
        isinstance(value, int | np.integer) if integer else isinstance(value, int | float | np.number)
    )
    bounds = []
    if low > -math.inf:
        bounds.append(f"{'above' if open_low else 'of at least'} {low:g}")
    if high < math.inf:
        bounds.append(f"of at most {high:g}")
    rule = f"{owner} needs `{name}` to be {kind}" + (f" {' and '.join(bounds)}" if bounds else "")
    fix = fix or f"Pass `{name}` in that range"
    if not right_type or isinstance(value, bool):
        raise ConfigError(rule, f"`{name}` is {describe(value)}", fix)
    number = float(value)  # pyright: ignore[reportArgumentType] -- narrowed by right_type above
    too_low = number <= low if open_low else number < low
    if not math.isfinite(number) or too_low or number > high:
        raise ConfigError(rule, f"`{name}={value}` was given", fix)


def check_choice(owner: str, name: str, value: object, choices: Iterable[str]) -> None:
    """Raise `ConfigError` unless `value` is one of `choices`, naming the nearest one."""
    known = list(choices)
    if value not in known:
        raise ConfigError(
            f"{owner} needs `{name}` to be one of {quoted(known)}",
            f"`{name}={value!r}` was given",
            nearest(str(value), known),
        )


def check_finite(owner: str, name: str, tensor: Tensor, *, fix: str = "") -> None:
    """Raise `NonFiniteError` if `tensor` holds NaN or infinity. Costs one pass and, on a GPU, one sync."""
    finite = tensor.isfinite()
    if bool(finite.all()):
        return
    bad = int((~finite).sum())
    first = tuple(int(i) for i in (~finite).nonzero()[0])
    raise NonFiniteError(
        f"{owner} needs finite `{name}`",
        f"{bad} of {tensor.numel()} entries of {describe(tensor)} are NaN or infinite, the first at {first}",
        fix or f"Find where `{name}` became non-finite, or mask those entries before the call",
    )


def check_size(owner: str, name: str, tensor: Tensor, axis: int, meaning: str, *, low: int, fix: str) -> None:
    """Raise `ShapeError` unless axis `axis` of `tensor`, called `meaning`, has at least `low` entries."""
    size = tensor.shape[axis]
    if size < low:
        raise ShapeError(
            f"{owner} needs at least {low} along `{meaning}` (axis {axis} of `{name}`)",
            f"`{name}` is {describe(tensor)}, i.e. {meaning}={size}",
            fix,
        )


def check_equal_size(owner: str, what: str, got: int, expected: int, *, expected_by: str, fix: str) -> None:
    """Raise `ShapeError` unless the size called `what` equals the one that `expected_by` sets."""
    if got != expected:
        raise ShapeError(f"{owner} needs {what} = {expected} ({expected_by})", f"it is {got}", fix)


def check_samples(owner: str, name: str, tensor: Tensor, *, low: int = 2) -> None:
    """Raise `ShapeError` unless `tensor` (*batch, sample, dim) holds something to compare with a Gaussian."""
    check_dense(owner, **{name: tensor})
    if tensor.device.type == "meta":
        raise ShapeError(
            f"{owner} needs `{name}` that has values",
            f"it is {describe(tensor)} on the device `meta`, which holds none",
            "Make it on another device",
        )
    more = "Put the batch on the second-to-last axis, or compare more samples at once"
    check_size(owner, name, tensor, -2, "sample", low=low, fix=more)
    check_size(owner, name, tensor, -1, "dim", low=1, fix="Pass samples with at least one coordinate")
    if 0 in tensor.shape[:-2]:
        raise ShapeError(
            f"{owner} needs at least one entry along every leading axis",
            f"`{name}` is {describe(tensor)}",
            "Skip the call when there is nothing to judge",
        )


def check_one_device(owner: str, **tensors: Tensor) -> None:
    """Raise `ShapeError` unless the named tensors are all on one device."""
    (first, one), *others = tensors.items()
    for name, other in others:
        if other.device != one.device:
            raise ShapeError(
                f"{owner} needs `{first}` and `{name}` on one device",
                f"they are on {one.device} and {other.device}",
                "Move one of them with `.to(...)`",
            )


def check_dense(owner: str, **tensors: Tensor) -> None:
    """Raise `ShapeError` unless every number of the named tensors lies in memory."""
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.is_quantized:
            raise ShapeError(
                f"{owner} needs dense `{name}`",
                f"it is {describe(tensor)} of the layout {tensor.layout}",
                "Convert it with `.to_dense()`, or `.dequantize()` if it is quantized",
            )


def accumulation_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return the dtype to add up in: float64 for float64, float32 for every other floating-point dtype."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import an optional module, or say which extra brings it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{purpose} needs the package `{module.split('.')[0]}`",
            f"importing it failed ({error})",
            f'Install it with `pip install "leworld[{extra}]"`',
        ) from error


def check_float_array(owner: str, name: str, value: object, *, shape: str, fix: str = "") -> np.ndarray:
    """Return `value` as a finite floating-point array of shape `shape`, for example "... 2" or "4 2".

    A leading "..." stands for any number of axes. float32 and float64 stay as they are, other real numbers
    become float64.
    """
    expected = shape.split()
    readable = f"({', '.join(expected)}{',' if len(expected) == 1 else ''})"
    fix = fix or f"Pass `{name}` as an array of shape {readable}"
    rule = f"{owner} needs `{name}` to be numbers of shape {readable}"
    try:
        array = np.asarray(value)
        if array.dtype not in (np.float32, np.float64):
            array = array.astype(np.float64, casting="safe" if array.dtype.kind in "biu" else "same_kind")
    except (TypeError, ValueError, RuntimeError) as error:
        raise ShapeError(rule, f"`{name}` is {describe(value)}", fix) from error
    free = expected[0] == "..."
    tail = [int(axis) for axis in expected[free:]]
    if (array.ndim < len(tail)) or (not free and array.ndim > len(tail)) or _tail(array, len(tail)) != tail:
        raise ShapeError(rule, f"`{name}` is {describe(array)}", fix)
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise NonFiniteError(
            f"{owner} needs finite `{name}`",
            f"{bad} of {array.size} entries of {describe(array)} are NaN or infinite",
            f"Find where `{name}` became non-finite",
        )
    return array


def _tail(array: np.ndarray, count: int) -> list[int]:
    return list(array.shape[array.ndim - count :])
