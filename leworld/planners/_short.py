"""Short descriptions of planners and of what they return, whatever their sizes."""

import inspect
from functools import partial

import torch
from torch import Tensor


def listing(owner: object, **fields: object) -> str:
    """Return `Name(field=value, ...)` with shapes in the place of tensors."""
    return f"{type(owner).__name__}({', '.join(f'{name}={_short(value)}' for name, value in fields.items())})"


def settings(owner: object) -> str:
    """Return `Name(setting=value, ...)` for those arguments of the constructor that are attributes too."""
    names = list(inspect.signature(type(owner)).parameters)
    known = {name: getattr(owner, name) for name in names if hasattr(owner, name)}
    if not known:
        known = {name: getattr(owner, name) for name in ("horizon", "num_iterations") if hasattr(owner, name)}
    return listing(owner, **known)


def span(values: Tensor) -> str:
    """Return the range of the finite values."""
    if values.is_meta:
        return "unknown"
    finite = values[values.isfinite()]
    if not finite.numel():
        return "nan"
    low, high = finite.min().item(), finite.max().item()
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"


def _short(value: object) -> str:
    if isinstance(value, Tensor):
        return str(tuple(value.shape))
    if isinstance(value, torch.dtype):
        return str(value)
    if isinstance(value, partial):
        options = [f"{name}={_short(option)}" for name, option in value.keywords.items()]
        return f"partial({', '.join([_short(value.func), *map(_short, value.args), *options])})"
    if callable(value) and hasattr(value, "__qualname__"):
        return str(value.__qualname__).rpartition(".")[2]
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:297]}..."
