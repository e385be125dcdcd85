"""The one place that words user-facing errors about shapes, dtypes, ranges and optional packages."""

import contextlib
import difflib
import functools
import importlib
import itertools
import math
import os
import reprlib
import sys
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor

from ._transforms import differentiated, readable
from .errors import ConfigError, MissingExtraError, NonFiniteError, ShapeError

C = TypeVar("C", bound=Callable[..., Any])

_PLAIN = frozenset({Tensor, int, float, str, bool, type(None)})  # most arguments, told at once
_LARGEST_INTEGER = 2**63 - 1  # of a tensor's size, and of the integers that torch takes
_BRING_MATPLOTLIB = ("matplotlib", "lightning", "tensorboard")  # lightning by way of torchmetrics


def describe(value: object) -> str:
    """Say what `value` is the way its owner would: dtype and shape of a tensor, else its repr."""
    if isinstance(value, Tensor):
        return f"{_article(str(value.dtype).removeprefix('torch.'))} tensor of shape {tuple(value.shape)}"
    if isinstance(value, np.ndarray):
        return f"{_article(str(value.dtype))} array of shape {value.shape}"
    return _SHORT.repr(value)


class _Short(reprlib.Repr):
    """A repr of at most 120 letters, at a cost that does not follow from what is in the value."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxtuple = self.maxlist = self.maxdict = self.maxset = self.maxfrozenset = self.maxdeque = 40
        self.maxstring = self.maxlong = self.maxother = 120

    def repr(self, x: object) -> str:
        """Return the text."""
        text = super().repr(x)
        return text if len(text) <= 120 else f"{text[:117]}..."

    def repr1(self, x: object, level: int) -> str:
        """Shorten what Python itself holds others with, and ask everything else for its own text."""
        plain = (list, tuple, dict, set, frozenset, str, int)
        return super().repr1(x, level) if type(x) in plain else self.repr_instance(x, level)

    def repr_int(self, x: int, level: int) -> str:
        """Python refuses to write down a very long number."""
        return super().repr_int(x, level) if x.bit_length() < 10_000 else f"{x.bit_length()} bits long"

    def repr_dict(self, x: dict[object, object], level: int) -> str:
        """Keep the order of the keys."""
        if level <= 0:
            return "{...}"
        shown = [
            f"{self.repr1(key, level - 1)}: {self.repr1(value, level - 1)}"
            for key, value in itertools.islice(x.items(), self.maxdict)
        ]
        return "{" + ", ".join([*shown, *["..."] * (len(x) > self.maxdict)]) + "}"


_SHORT = _Short()


def described_name(name: object) -> str:
    """Return a name between backticks, cut where it is long."""
    text = str(name)
    return f"`{text}`" if len(text) <= 120 else f"`{text[:117]}...`"


def _article(word: str) -> str:
    return f"an {word}" if word[0] in "aeio" else f"a {word}"


def quoted(names: Iterable[object]) -> str:
    """List names for a message, each between backticks."""
    return ", ".join(f"`{name}`" for name in names)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a sentence that names the closest known word, or all of them when none is close."""
    words = sorted(known)
    close = [] if len(name) > 200 else difflib.get_close_matches(name, words, n=1, cutoff=0.6)
    listing = quoted(words)
    return f"Did you mean `{close[0]}`? Known: {listing}" if close else f"Known: {listing}"


def plain_number(value: Any) -> Any:
    """Return numpy's number as Python's, in lists and tuples too, and everything else as it is."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, np.generic):
        return _of_numpy(value)
    if type(value) in (list, tuple):
        items = [plain_number(item) for item in value]
        changed = any(new is not old for new, old in zip(items, value, strict=True))
        return type(value)(items) if changed else value
    return value


def _of_numpy(value: np.generic) -> Any:
    if value.dtype.kind not in "biufc":
        return value  # a date, a text
    return float(value) if isinstance(value, np.floating) else value.item()


def plain_arguments(
    args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of a call with `plain_number` of each."""
    named = {name: plain_number(value) for name, value in kwargs.items()}
    return tuple(plain_number(value) for value in args), named


def plain_numbers(target: C) -> C:
    """Decorate a public class or function: numpy's numbers among its arguments arrive as Python's.

    What is built from them can then be written as JSON, compared, hashed and shifted like any other number.
    `shapechecked` and `configurable` do the same, so that nothing needs two of them.
    """
    if isinstance(target, type):
        type.__setattr__(target, "__init__", _with_plain_numbers(vars(target)["__init__"]))
        return cast(C, target)
    return cast(C, _with_plain_numbers(target))


def _with_plain_numbers(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def boundary(*args: Any, **kwargs: Any) -> Any:
        if not torch.compiler.is_compiling():
            args, kwargs = plain_arguments(args, kwargs)
        return function(*args, **kwargs)

    return mark_plain(boundary)


def mark_plain(boundary: C) -> C:
    """Note on a function that numpy's numbers reach its body as Python's; tests ask every public one."""
    vars(boundary)["takes_plain_numbers"] = True
    return boundary


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
    """Raise `ConfigError` unless `value` is a finite number (an integer if asked) in the given range.

    An integer has to fit into 64 bits whatever the range.
    """
    kind = "an integer" if integer else "a finite number"
    number = plain_number(value)
    right_type = isinstance(number, int if integer else int | float) and not isinstance(number, bool)
    bounds = []
    if low > -math.inf:
        bounds.append(f"{'above' if open_low else 'of at least'} {low:g}")
    if high < math.inf:
        bounds.append(f"of at most {high:g}")
    rule = f"{owner} needs `{name}` to be {kind}" + (f" {' and '.join(bounds)}" if bounds else "")
    fix = fix or f"Pass `{name}` in that range"
    if not right_type:
        raise ConfigError(rule, f"`{name}` is {describe(value)}", fix)
    if isinstance(number, int) and abs(number) > _LARGEST_INTEGER:
        digits = f"of {number.bit_length()} bits"
        raise ConfigError(f"{rule}, and to fit into 64 bits", f"`{name}` is a number {digits}", fix)
    too_low = number <= low if open_low else number < low
    if not math.isfinite(number) or too_low or number > high:
        raise ConfigError(rule, f"`{name}={value}` was given", fix)


def check_choice(owner: str, name: str, value: object, choices: Iterable[str]) -> None:
    """Raise `ConfigError` unless `value` is one of `choices`, naming the nearest one."""
    known = list(choices)
    if not isinstance(value, str) or value not in known:
        raise ConfigError(
            f"{owner} needs `{name}` to be one of {quoted(known)}",
            f"`{name}={describe(value)}` was given",
            nearest(value if isinstance(value, str) else describe(value), known),
        )


def check_finite(owner: str, name: str, tensor: Tensor, *, fix: str = "") -> None:
    """Raise `NonFiniteError` if `tensor` holds NaN or infinity. Costs one pass and, on a GPU, one sync.

    What `torch.func.vmap` maps over cannot be looked at and is let pass.
    """
    if not readable(tensor) or has_finite_sum(tensor):
        return
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


def has_finite_sum(tensor: Tensor) -> bool:
    """Whether the entries add up to a finite number: then all are finite, found out in 1/20 of the time.

    Finite entries may add up to infinity, so False says nothing. A sum is never finite with a NaN or an
    infinity in it.
    """
    return bool(tensor.detach().sum().isfinite())


def check_unmapped(owner: str, **tensors: Tensor) -> None:
    """Raise `ConfigError` if `torch.func.vmap` maps over a tensor, for what returns plain numbers."""
    mapped = [name for name, tensor in tensors.items() if not readable(tensor)]
    if mapped:
        raise ConfigError(
            f"{owner} needs tensors that it can look at, as it returns plain numbers",
            f"torch.func.vmap maps over {quoted(mapped)}",
            "Call it in a loop over the rows",
        )


def measured(owner: str, name: str, tensor: Tensor) -> Tensor:
    """Return a tensor without gradient, for what measures and is not differentiated.

    Raises `ConfigError` where torch.func or forward mode differentiates it: the derivative would be 0.
    """
    if differentiated(tensor):
        raise ConfigError(
            f"{owner} measures, and has no derivative",
            f"torch.func or forward mode differentiates `{name}`",
            "Pass it detached, and train with a regularizer or a statistic of leworld.normality",
        )
    return tensor.detach()


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
        if module.partition(".")[0] in _BRING_MATPLOTLIB:
            _import_matplotlib()
        return importlib.import_module(module)
    except Exception as error:  # a damaged or mismatched installation fails in any way
        raise MissingExtraError(
            f"{purpose} needs the package `{module.split('.')[0]}`",
            f"importing it failed ({error or type(error).__name__})",
            f'Install it with `pip install "leworld[{extra}]"`',
        ) from error


def _import_matplotlib() -> None:
    """Import matplotlib, where it is installed, even if MPLBACKEND names a backend that is not.

    A shell that a notebook started inherits the notebook's. leworld draws without any, and what else imports
    matplotlib finds it imported.
    """
    backend = os.environ.get("MPLBACKEND")
    if backend is None or "matplotlib" in sys.modules:
        return
    del os.environ["MPLBACKEND"]
    try:
        matplotlib = importlib.import_module("matplotlib")
    except ModuleNotFoundError:
        return
    finally:
        os.environ["MPLBACKEND"] = backend
    with contextlib.suppress(ValueError):
        matplotlib.rcParams["backend"] = backend


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
