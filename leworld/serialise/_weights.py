"""Weights in and out of safetensors files: every name, shape and value is checked."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from .._checks import nearest, quoted
from .._tensors import is_finite, parts, shapes_only, tensor_state, zero_parameters
from ..errors import CheckpointError

M = TypeVar("M", bound=nn.Module)
T = TypeVar("T")

_FLOATING = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_WHOLE = ("I64", "I32", "I16", "I8", "U8", "BOOL")
_MAPPED_BYTES = 8 * 2**20  # of a file, about, that are mapped at a time


def write_weights(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write a safetensors file, the same bytes for the same tensors."""
    save_file(tensors, path, metadata={"format": "pt"})


def make_room(module: nn.Module, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Let parts of `module` whose tensors grow, which have `_make_room`, prepare for tensors of `shapes`."""
    for name, part in module.named_modules():
        take = getattr(part, "_make_room", None)
        if callable(take):
            prefix = f"{name}." if name else ""
            own = {key.removeprefix(prefix): shape for key, shape in shapes.items() if key.startswith(prefix)}
            take(own)


def read_weights(
    path: Path, make: Callable[[], M], *, apart: Collection[str] = (), kept: Collection[nn.Module] = ()
) -> M:
    """Build a module with `make` and fill it with the tensors, in the dtypes, of a safetensors file.

    Parts of the module named in `apart`, and those that are modules of `kept` under whatever name, keep their
    tensors, whatever the file has for them.

    First a shadow of it without memory is compared with the header, so that a config that lies about sizes is
    refused before it can ask for memory. Then tensors are read a few at a time, each lot through a mapping of
    its own: pages of a mapped file count as memory of the process until the mapping is closed.

    Raises:
        CheckpointError: if the file is missing, damaged, or differs from the module by a name, a shape or a
            kind of number, if it holds NaN or infinity, or if it is replaced meanwhile.
    """
    with _open(path) as file:
        before = _identity(path)
        with shapes_only():
            shadow = make()
            apart = (*apart, *(name for name, part in parts(shadow) if any(part is one for one in kept)))
            shapes, dtypes = _check_header(path, file, shadow, apart)
    with zero_parameters():
        module = make()
    make_room(module, shapes)
    kinds = {_FLOATING[dtype] for dtype in dtypes if dtype in _FLOATING}
    if len(kinds) == 1:
        module.to(kinds.pop())
    targets = _without(tensor_state(module), apart)
    for names in _lots(targets):
        with _open(path) as file:
            _check_same(path, before)
            for name in names:
                _fill(path, name, targets[name], file.get_tensor(name))
    _check_same(path, before)
    return module


def _lots(tensors: Mapping[str, Tensor]) -> Iterator[list[str]]:
    """Yield the names in groups whose tensors take a few MiB together, or that hold one alone."""
    names: list[str] = []
    size = 0
    for name, tensor in tensors.items():
        if names and size + tensor.nbytes > _MAPPED_BYTES:
            yield names
            names, size = [], 0
        names.append(name)
        size += tensor.nbytes
    if names:
        yield names


def _identity(path: Path) -> tuple[int, ...]:
    facts = os.stat(path)
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns


def _check_same(path: Path, before: tuple[int, ...]) -> None:
    if _identity(path) != before:
        raise CheckpointError(
            f"{path} needs to stay as it is while it is read", "it was replaced meanwhile", "Load it again"
        )


def _check_header(
    path: Path, file: Any, module: nn.Module, apart: Collection[str]
) -> tuple[dict[str, tuple[int, ...]], set[str]]:
    """Check names, shapes and types in the header, and return the shapes and the types."""
    headers = _without({name: file.get_slice(name) for name in file.keys()}, apart)  # noqa: SIM118 -- no mapping
    shapes = {name: tuple(header.get_shape()) for name, header in headers.items()}
    make_room(module, shapes)
    _match_shapes(path, expected=_without(tensor_state(module), apart), found=shapes)
    dtypes = {name: str(header.get_dtype()) for name, header in headers.items()}
    for name, dtype in dtypes.items():
        if dtype not in _FLOATING and dtype not in _WHOLE:
            raise CheckpointError(
                f"{path} needs tensors of type {', '.join((*_FLOATING, *_WHOLE))}",
                f"`{name}` is {dtype}",
                "Convert it, then save the module again",
            )
    return shapes, set(dtypes.values())


def _without(tensors: Mapping[str, T], apart: Collection[str]) -> dict[str, T]:
    """Return the tensors that are in none of the parts called `apart`."""
    return {
        name: value
        for name, value in tensors.items()
        if not any(name == part or name.startswith(f"{part}.") for part in apart)
    }


def _fill(source: Path, name: str, target: Tensor, value: Tensor) -> None:
    """Copy `value` into `target`, which takes its dtype, after checking its kind and its entries."""
    if value.is_floating_point() != target.is_floating_point() or value.is_complex():
        raise CheckpointError(
            f"{source} needs `{name}` to hold {_kind(target)}",
            f"it holds {str(value.dtype).removeprefix('torch.')}",
            "Save the module again",
        )
    if not is_finite(value):
        count = int((~value.isfinite()).sum())
        raise CheckpointError(
            f"{source} needs finite weights",
            f"{count} of {value.numel()} entries of `{name}` are NaN or infinite",
            "Restore the file, or take a checkpoint from before training diverged",
        )
    if value.is_floating_point() and value.dtype != target.dtype:
        target.data = value.to(target.device, copy=True)
    else:
        target.data.copy_(value)


def _match_shapes(
    source: Path, *, expected: Mapping[str, Tensor], found: Mapping[str, tuple[int, ...]]
) -> None:
    """Raise `CheckpointError` unless `found` has exactly the names and shapes of `expected`."""
    rule = f"{source} needs exactly the {len(expected)} tensors of its architecture"
    missing = [name for name in expected if name not in found]
    extra = [name for name in found if name not in expected]
    if missing or extra:
        parts = [f"{_some(missing)} missing"] if missing else []
        parts += [f"{_some(extra)} unknown"] if extra else []
        fix = "Check that config.json and the weights belong to the same checkpoint"
        if extra and missing:
            fix = f"{nearest(extra[0], missing[:8])}. {fix}"
        raise CheckpointError(rule, " and ".join(parts), fix)
    for name, tensor in expected.items():
        if tuple(tensor.shape) != found[name]:
            raise CheckpointError(
                f"{source} needs `{name}` of shape {tuple(tensor.shape)}, as its architecture says",
                f"it has shape {found[name]}",
                "Check that config.json and the weights belong to the same checkpoint",
            )


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    fix = "Restore the file, or save or download the checkpoint again"
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            yield file
    except OSError as error:
        raise CheckpointError(
            f"{path} needs to be a readable file", f"opening it failed ({error})", fix
        ) from error
    except SafetensorError as error:
        raise CheckpointError(
            f"{path} needs to be a whole safetensors file", f"it is damaged ({error})", fix
        ) from error


def _kind(tensor: Tensor) -> str:
    return "floating-point numbers" if tensor.is_floating_point() else "whole numbers"


def _some(names: list[str]) -> str:
    shown = quoted(names[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{shown}{more} {'is' if len(names) == 1 else 'are'}"
