"""User code of three kinds for one scenario: well-behaved, one that meddles with memory, one that fails.

A scenario calls the library through `twin.call` and hands it user code through `twin.code`. It returns what
it learned, as nested arrays, so that the runs of different twins can be compared.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from leworld.data import Observation


class Boom(Exception):
    """What failing user code raises."""


class Twin:
    """Well-behaved: user code neither changes what it gets nor touches again what it gave."""

    def code(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a piece of user code that the library will call."""
        return function

    def call(self, function: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
        """Call the library as a user does."""
        return function(*args, **options)

    def hooks(self, owner: Any, *names: str) -> Any:
        """Make methods of an object the user's code; return the object."""
        for name in names:
            if getattr(owner, name, None) is not None:
                object.__setattr__(owner, name, self.code(getattr(owner, name)))
        return owner


class Meddler(Twin):
    """Ruins whatever memory it was lent, gives the same memory again and again, and ruins what it got back.

    With `gentle` user code leaves its arguments alone and only uses its output's memory again.
    """

    def __init__(self, *, gentle: bool = False) -> None:
        self.gentle = gentle

    def code(self, function: Callable[..., Any]) -> Callable[..., Any]:
        buffers: list[Any] = []

        def meddling(*args: Any, **options: Any) -> Any:
            fresh = detached_copy(function(*detached_copy(args), **detached_copy(options)))
            if not self.gentle:
                ruin((args, options))
            return reuse(fresh, buffers)

        return meddling

    def call(self, function: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
        mine, my_options = detached_copy(args), detached_copy(options)
        result = function(*mine, **my_options)
        kept = detached_copy(result)
        ruin((mine, my_options, result))
        return kept


class Failing(Twin):
    """Its user code raises `Boom`, once, at call number `fail_at`; it calls the library again then.

    With `late` that call does its work before it raises, as one does that is interrupted at its end.
    """

    def __init__(self, fail_at: int | None = None, *, late: bool = False) -> None:
        self.fail_at = fail_at
        self.late = late
        self.calls = 0

    def code(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def failing(*args: Any, **options: Any) -> Any:
            self.calls += 1
            if self.calls - 1 == self.fail_at:
                if self.late:
                    function(*args, **options)
                raise Boom
            return function(*args, **options)

        return failing

    def call(self, function: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
        before = surroundings(function, args, options)
        try:
            return function(*args, **options)
        except Boom:
            assert surroundings(function, args, options) == before, "left modes, hooks or globals changed"
        return function(*args, **options)


def surroundings(function: Any, *values: Any) -> tuple[Any, ...]:
    """What a failed call must leave: random states, gradient mode, modes and hooks of modules involved."""
    modules = [part for root in _modules((function, *values)) for part in root.modules()]
    return (
        torch.get_rng_state().numpy().tobytes(),
        str(np.random.get_state()),
        torch.is_grad_enabled(),
        torch.get_num_threads(),
        [part.training for part in modules],
        [len(part._forward_hooks) + len(part._forward_pre_hooks) for part in modules],
    )


def _modules(values: Any) -> list[nn.Module]:
    """Modules among values, what methods belong to, the attributes of objects and the entries of mappings."""
    found: list[nn.Module] = []
    for value in values:
        owner = getattr(value, "__self__", value)
        if isinstance(owner, nn.Module):
            held: list[Any] = [owner]
        elif isinstance(owner, Mapping):
            held = list(owner.values())
        else:
            held = list(vars(owner).values()) if hasattr(owner, "__dict__") else []
        if isinstance(owner, tuple | list):
            found += _modules(owner)
        found += [part for part in held if isinstance(part, nn.Module)]
    return found


def _record_fields(value: Any) -> tuple[str, ...]:
    """Fields of a plain record of tensors, such as a state or a batch, none of which copies them."""
    plain = type(value).__name__ in ("History", "Batch", "RawBatch", "Situation", "FrameLatents")
    return tuple(field.name for field in fields(value)) if plain and is_dataclass(value) else ()


def detached_copy(value: Any) -> Any:
    """Copy every array and tensor in a value; everything else stays itself."""
    if isinstance(value, Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad) if value.is_leaf else value.clone()
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "O":
            twin = np.empty(value.shape, object)
            for place in np.ndindex(value.shape):
                twin[place] = detached_copy(value[place])
            return twin
        return value.copy()
    if isinstance(value, Observation):
        return Observation(parts={name: detached_copy(part) for name, part in value.parts.items()})
    if isinstance(value, dict):
        return {key: detached_copy(part) for key, part in value.items()}
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return tuple(detached_copy(part) for part in value)
    if isinstance(value, list):
        return [detached_copy(part) for part in value]
    if names := _record_fields(value):
        twin = copy.copy(value)
        for name in names:
            object.__setattr__(twin, name, detached_copy(getattr(value, name)))
        return twin
    return value


def leaves(value: Any) -> list[np.ndarray | Tensor]:
    """All arrays and tensors in a value, in order."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, np.ndarray):
        return (
            [leaf for entry in value.flat for leaf in leaves(entry)] if value.dtype.kind == "O" else [value]
        )
    if isinstance(value, Observation):
        return leaves(dict(value.parts))
    if isinstance(value, Mapping):
        return [leaf for part in value.values() for leaf in leaves(part)]
    if isinstance(value, tuple | list):
        return [leaf for part in value for leaf in leaves(part)]
    return [leaf for name in _record_fields(value) for leaf in leaves(getattr(value, name))]


def ruin(value: Any) -> None:
    """Overwrite every array and tensor in a value that lets itself be written to."""
    for leaf in leaves(value):
        if isinstance(leaf, np.ndarray):
            if leaf.flags.writeable:
                leaf[...] = ~leaf if leaf.dtype.kind == "b" else np.asarray(77).astype(leaf.dtype)
            continue
        with torch.no_grad():
            try:
                leaf.logical_not_() if leaf.dtype == torch.bool else leaf.fill_(77)
            except RuntimeError:  # memory that torch lets nobody write to, such as that of an expanded tensor
                continue


def reuse(fresh: Any, buffers: list[Any]) -> Any:
    """Return a value in the memory of the one before, if that has its form; else ruin the one before."""
    old, new = leaves(buffers[0]) if buffers else [], leaves(fresh)
    same = len(old) == len(new) and all(
        type(a) is type(b) and a.shape == b.shape and a.dtype == b.dtype
        for a, b in zip(old, new, strict=True)
    )
    if not buffers or not same or any(isinstance(leaf, Tensor) and leaf.requires_grad for leaf in new):
        ruin(buffers)
        buffers[:] = [fresh]
        return fresh
    with torch.no_grad():
        for mine, value in zip(old, new, strict=True):
            _overwrite(mine, value)
    return _in_memory_of(fresh, iter(old))


def _overwrite(memory: Any, value: Any) -> None:
    memory[...] = value


def _in_memory_of(value: Any, memory: Any) -> Any:
    if isinstance(value, Tensor) or (isinstance(value, np.ndarray) and value.dtype.kind != "O"):
        return next(memory)
    if isinstance(value, np.ndarray):
        for place in np.ndindex(value.shape):
            value[place] = _in_memory_of(value[place], memory)
        return value
    if isinstance(value, Observation):
        return Observation(parts={name: next(memory) for name in value.parts})
    if isinstance(value, dict):
        return {key: _in_memory_of(part, memory) for key, part in value.items()}
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return tuple(_in_memory_of(part, memory) for part in value)
    if isinstance(value, list):
        return [_in_memory_of(part, memory) for part in value]
    for name in _record_fields(value):
        object.__setattr__(value, name, _in_memory_of(getattr(value, name), memory))
    return value


def difference(one: Any, other: Any, where: str = "result") -> str | None:
    """Say where two results first differ, or None. Arrays are compared to the bit."""
    if isinstance(one, Tensor | np.ndarray) and not (isinstance(one, np.ndarray) and one.dtype.kind == "O"):
        a, b = (np.asarray(x.detach() if isinstance(x, Tensor) else x) for x in (one, other))
        same = a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
        return None if same else f"{where}: {a.ravel()[:6]} and {b.ravel()[:6]}"
    if isinstance(one, Observation):
        return difference(dict(one.parts), dict(other.parts), where)
    if isinstance(one, Mapping):
        if list(one) != list(other):
            return f"{where}: {list(one)} and {list(other)}"
        parts = ((key, one[key], other[key]) for key in one)
    elif isinstance(one, tuple | list | np.ndarray):
        if len(one) != len(other):
            return f"{where}: {len(one)} and {len(other)} entries"
        parts = ((i, a, b) for i, (a, b) in enumerate(zip(one, other, strict=True)))
    elif is_dataclass(one) and not isinstance(one, type):
        names = [f.name for f in fields(one) if f.name not in ("seconds", "milliseconds", "model")]
        parts = ((name, getattr(one, name), getattr(other, name)) for name in names)
    else:
        return None if one == other or (one != one and other != other) else f"{where}: {one!r} and {other!r}"
    return next((found for key, a, b in parts if (found := difference(a, b, f"{where}.{key}"))), None)
