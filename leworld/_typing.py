"""Shape-checked boundaries: jaxtyping annotations enforced by beartype, told in our words."""

import functools
import inspect
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeAlias, TypeVar, get_args, get_origin

import numpy as np
import torch
from jaxtyping import AbstractArray, TypeCheckError, jaxtyped
from torch import Tensor
from torch.jit._trace import is_tracing

from ._checks import describe, mark_plain, plain_arguments, plain_numbers
from .errors import ConfigError, LeWorldError, ShapeError

P = ParamSpec("P")
R = TypeVar("R")

Limit: TypeAlias = float | Sequence[float] | np.ndarray
Limits: TypeAlias = tuple[Limit, Limit]  # lowest and highest raw action

# `X | MaybeNone`, as in typeshed: None comes only where the caller knows that it does, such as the degrees of
# a probe that reads no angle. Type checkers then ask for no test of it; at run time it is None as ever.
if TYPE_CHECKING:
    MaybeNone: TypeAlias = Any
else:
    MaybeNone = None

_ENABLED = os.environ.get("LEWORLD_SHAPECHECK", "1") != "0"


def checking() -> bool:
    """Whether inputs are checked now: not while tracing, and not when the user turned checks off."""
    return _ENABLED and not torch.compiler.is_compiling() and not is_tracing()


def shapechecked(function: Callable[P, R]) -> Callable[P, R]:
    """Enforce the annotations of `function` at run time.

    A violation raises `ShapeError` for a tensor and `ConfigError` for anything else. The check costs tens of
    microseconds, steps aside while torch.compile, torch.export or torch.jit trace, and is off for the whole
    process when the environment variable LEWORLD_SHAPECHECK is 0 at import. The checker is compiled at the
    first checked call, so a function that is never called costs an import nothing. Numpy's numbers arrive as
    Python's, also where checks are off.
    """
    if not _ENABLED:
        return plain_numbers(function)
    checked: Callable[P, R] | None = None

    @functools.wraps(function)
    def boundary(*args: P.args, **kwargs: P.kwargs) -> R:
        nonlocal checked
        if not checking():
            return function(*args, **kwargs)
        if checked is None:
            checked = _checked(function)
        plain, named = plain_arguments(args, kwargs)
        try:
            return checked(*plain, **named)  # pyright: ignore[reportCallIssue] -- P, with plain numbers
        except TypeCheckError:
            violation = _explain(function, plain, named)
        if violation is None:
            raise TypeError(f"{function.__qualname__} broke its own return annotation")
        raise violation

    return mark_plain(boundary)


def _checked(function: Callable[P, R]) -> Callable[P, R]:
    from beartype import BeartypeConf, beartype  # imported here: slow to load and needed at a call only

    return jaxtyped(typechecker=beartype(conf=BeartypeConf(is_pep484_tower=True)))(function)


def _explain(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> LeWorldError | None:
    """Word the first violated annotation, or return None when every argument is right."""
    from beartype.door import is_bearable  # imported here: it is slow to load and needed for errors only

    signature = inspect.signature(function)
    arguments = signature.bind(*args, **kwargs).arguments
    owner = function.__qualname__.removesuffix(".forward").removesuffix(".__init__").removesuffix(".__call__")
    if "self" in arguments:  # named after what the user built, not after its base
        owner, method = type(arguments["self"]).__name__, function.__name__
        owner += "" if method in ("forward", "__init__", "__call__") else f".{method}"
    sizes: dict[str, tuple[Any, str]] = {}
    for name, value in arguments.items():
        parameter = signature.parameters[name]
        annotation = parameter.annotation
        values = value if parameter.kind is parameter.VAR_POSITIONAL else (value,)
        for item in values:
            array = _array_type(annotation, item)
            if array is not None:
                violation = _explain_array(owner, name, item, array, sizes)
                if violation is not None:
                    return violation
            elif annotation is not parameter.empty and not is_bearable(item, annotation):
                rule = f"{owner} needs `{name}` {_kind(annotation)}"
                got = f"`{name}` is {describe(item)}"
                fix = f"Pass `{name}` as documented in help({owner})"
                array_like = any(word in _readable(annotation) for word in ("Tensor", "ndarray"))
                error = ShapeError if array_like else ConfigError
                return error(rule, got, fix)
    return None


def _array_type(annotation: Any, value: object) -> Any | None:
    """Return the jaxtyping type that a tensor or array must meet, looking inside `X | None`."""
    options = getattr(annotation, "__args__", (annotation,))
    for option in options:
        if (
            isinstance(option, type)
            and issubclass(option, AbstractArray)
            and isinstance(value, option.array_type)
        ):
            return option
    return None


def _explain_array(
    owner: str, name: str, tensor: Tensor | np.ndarray, array: Any, sizes: dict[str, tuple[Any, str]]
) -> ShapeError | None:
    axes = array.dim_str.split()
    rule = f"{owner} needs `{name}` with axes ({', '.join(axis.lstrip('*') for axis in axes)})"
    got = f"`{name}` is {describe(tensor)}"
    dtype = str(tensor.dtype).removeprefix("torch.")
    if array.dtypes is not None and not _dtype_matches(dtype, array.dtypes):
        kinds = (
            "floating-point" if any("float" in str(kind) for kind in array.dtypes) else str(array.dtypes[0])
        )
        fix = (
            "Convert it first: pixels with the model's `processor`, other numbers with `.float()`"
            if kinds == "floating-point"
            else f"Convert it to {kinds} first"
        )
        return ShapeError(f"{owner} needs `{name}` to be {kinds}", got, fix)
    variadic = [axis for axis in axes if axis.startswith("*") or axis == "..."]
    fixed = len(axes) - len(variadic)
    if tensor.ndim < fixed or (not variadic and tensor.ndim > fixed):
        count = f"at least {fixed}" if variadic else str(fixed)
        return ShapeError(
            rule,
            f"{got}, which has {tensor.ndim} axes and not {count}",
            "Add, drop or reorder axes so that they match",
        )
    split = axes.index(variadic[0]) if variadic else len(axes)
    tail = len(axes) - split - 1 if variadic else 0
    pairs = list(zip(axes[:split], tensor.shape[:split], strict=True))
    if variadic and tail:
        pairs += list(zip(axes[-tail:], tensor.shape[-tail:], strict=True))
    for axis, size in pairs:
        if axis.isdigit() and size != int(axis):
            return ShapeError(rule, f"{got}, with {size} where {axis} is due", "Reorder or reshape its axes")
        if not axis.isidentifier():
            continue
        known, source = sizes.setdefault(axis, (int(size), name))
        if known != size:
            return ShapeError(
                rule,
                f"{got}, i.e. {axis}={size}, while `{source}` has {axis}={known}",
                f"Make `{name}` and `{source}` agree along {axis}",
            )
    for axis in variadic:
        leading = tuple(tensor.shape[split : tensor.ndim - tail])
        known, source = sizes.setdefault(axis, (leading, name))
        if axis[1:].isidentifier() and known != leading:
            return ShapeError(
                rule,
                f"{got}, i.e. {axis[1:]}={leading}, while `{source}` has {axis[1:]}={known}",
                f"Make `{name}` and `{source}` agree along {axis[1:]}",
            )
    return (
        ShapeError(rule, got, "Make its axes agree with the other arguments")
        if _symbolic(axes, sizes, tensor)
        else None
    )


def _symbolic(axes: list[str], sizes: dict[str, tuple[Any, str]], tensor: Tensor | np.ndarray) -> bool:
    """Whether an axis given as an expression, such as time-1, has a size other than its value."""
    if any(axis.startswith("*") or axis == "..." for axis in axes):
        return False
    names = {axis: size for axis, (size, _) in sizes.items()}
    for axis, size in zip(axes, tensor.shape, strict=True):
        if axis.isidentifier() or axis.isdigit():
            continue
        try:
            if eval(axis, {"__builtins__": {}}, names) != size:
                return True
        except NameError:
            continue
    return False


def _dtype_matches(dtype: str, allowed: Any) -> bool:
    return any(dtype == kind if isinstance(kind, str) else bool(kind.match(dtype)) for kind in allowed)


def _kind(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return "to be one of " + ", ".join(f"`{choice}`" for choice in get_args(annotation))
    return f"of type {_readable(annotation)}"


def _readable(annotation: Any) -> str:
    text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    return text.replace("typing.", "").replace("collections.abc.", "")
