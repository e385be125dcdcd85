"""Memory that is shared with the user's code: what is kept is copied, what is lent is copied or watched."""

import copy
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .errors import ConfigError

_OWNED: "weakref.WeakValueDictionary[int, np.ndarray]" = weakref.WeakValueDictionary()


def held(array: np.ndarray) -> np.ndarray:
    """Return an array for keeping: a copy, unless nobody else can write to its memory.

    So are arrays that are read-only all the way down, and those that leworld made and marked as `owned`.
    """
    return owned(np.array(array)) if _can_change(array) else array


def owned(array: np.ndarray) -> np.ndarray:
    """Mark an array that nobody else has, so that it and its views are `held` without a copy."""
    part: Any = array
    while isinstance(part, np.ndarray):
        _OWNED[id(part)] = part
        part = part.base
    return array


def _can_change(array: np.ndarray) -> bool:
    part: Any = array
    writeable = False
    while isinstance(part, np.ndarray):
        if _OWNED.get(id(part)) is part:
            return False
        writeable |= part.flags.writeable
        part = part.base
    if writeable or part is None:
        return writeable
    try:
        return not memoryview(part).readonly
    except (TypeError, ValueError):  # memory of something that does not tell
        return True


def own_copy(tensor: Tensor) -> Tensor:
    """Return a copy without gradient that shares no memory with `tensor`.

    It is a normal tensor, which gradients can pass, also when it is made under `torch.inference_mode`.
    """
    with torch.inference_mode(False):
        return tensor.detach().clone()


def copied(value: Any) -> Any:
    """Return a value with its arrays and tensors copied, in mappings, lists, tuples and dataclasses too."""
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, np.ndarray):
        if value.dtype.kind != "O":
            return value.copy()
        entries = np.empty(value.shape, object)
        for place in np.ndindex(value.shape):
            entries[place] = copied(value[place])
        return entries
    if isinstance(value, Mapping):
        return {key: copied(part) for key, part in value.items()}
    if isinstance(value, list):
        return [copied(part) for part in value]
    if isinstance(value, tuple):
        parts = [copied(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if is_dataclass(value) and not isinstance(value, type):
        twin = copy.copy(value)
        for field in fields(value):
            object.__setattr__(twin, field.name, copied(getattr(value, field.name)))
        return twin
    return value


Watched = list[tuple[str, Tensor, int]]


def watched(tensors: Mapping[str, Tensor]) -> Watched:
    """Note the state of tensors that are too large to copy, before they are lent.

    Tensors made under `torch.inference_mode` count no changes, so these are not watched.
    """
    return [(name, tensor, tensor._version) for name, tensor in tensors.items() if not tensor.is_inference()]


def check_unchanged(owner: str, lent: Watched) -> None:
    """Raise `ConfigError` if one of the watched tensors was changed in place."""
    for name, tensor, version in lent:
        if tensor._version != version:
            raise ConfigError(
                f"{owner} needs to leave what it is given as it is",
                f"it changed `{name}` in place",
                "Write `x = x - mean` instead of `x -= mean`, or change a copy, `x.clone()`",
            )


@contextmanager
def unchanged_on_error(module: nn.Module) -> Iterator[None]:
    """Give a module its attributes and its tensors' values back if the block raises."""
    parts = [vars(part) for part in module.modules()]
    attributes = [(part, dict(part)) for part in parts]
    attributes += [(held, dict(held)) for part in parts for held in part.values() if isinstance(held, dict)]
    tensors = [(tensor, tensor.detach().clone()) for tensor in (*module.parameters(), *module.buffers())]
    try:
        yield
    except BaseException:
        for mapping, before in attributes:
            mapping.clear()
            mapping.update(before)
        with torch.no_grad():
            for tensor, value in tensors:
                tensor.copy_(value)
        raise
