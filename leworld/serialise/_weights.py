"""Weights in and out of safetensors files: every name, shape and value is checked."""

import math
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from .._checks import described_name, nearest
from .._tensor_file import DTYPES, Entry, TensorFile, open_tensors
from .._tensors import Bounds, is_finite, parts, shapes_only, tensor_state, zero_parameters
from ..errors import CheckpointError
from ._references import fill_references, referring

M = TypeVar("M", bound=nn.Module)
T = TypeVar("T")


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
    path: Path,
    make: Callable[[int], M],
    *,
    apart: Collection[str] = (),
    kept: Collection[nn.Module] = (),
    files: Mapping[str, TensorFile] | None = None,
    removed: Collection[str] = (),
) -> M:
    """Build a module with `make` and fill it with the tensors, in the dtypes, of a safetensors file.

    `make` is told how many numbers the file holds, with those of `files`, the open files by their digests to
    which parts of the module refer.

    Parts of the module named in `apart`, and those that are modules of `kept` under whatever name, keep their
    tensors, whatever the file has for them. So does what the file has for a part named in `removed`, if the
    module has no tensors there any more.

    First a shadow of it without memory is built, within bounds that follow from the tensors in the file, and
    compared with the header, so that a config that lies about sizes is refused before it can ask for memory
    or time. Then every tensor is read into its place.

    Raises:
        CheckpointError: if the file is missing, damaged, or differs from the module by a name, a shape or a
            kind of number, if it holds NaN or infinity or other values that cannot be, or if it is replaced
            meanwhile.
    """
    with open_tensors(path) as file:
        files = files or {}
        every = [entry for one in (file, *files.values()) for entry in one.entries.values()]
        stored = sum(math.prod(entry.shape) for entry in every)
        with shapes_only(Bounds(len(every), sum(entry.nbytes for entry in every))):
            shadow = make(stored)
            apart = (*apart, *(name for name, part in parts(shadow) if any(part is one for one in kept)))
            names = tuple(tensor_state(shadow))
            apart = (*apart, *(one for one in removed if not any(key.startswith(f"{one}.") for key in names)))
            elsewhere = _without(referring(shadow), apart).keys()
            entries = _check_header(path, file, shadow, (*apart, *elsewhere))
        del shadow
        with zero_parameters():
            module = make(stored)
        make_room(module, {name: entry.shape for name, entry in entries.items()})
        kinds = {DTYPES[entry.dtype] for entry in entries.values() if DTYPES[entry.dtype].is_floating_point}
        if len(kinds) == 1:
            module.to(kinds.pop())
        for name, target in _without(tensor_state(module), (*apart, *elsewhere)).items():
            _fill(file, name, target)
        file.check_unchanged()
        fill_references({name: module.get_submodule(name) for name in elsewhere}, files, where=path)
    check_values(module, apart, owner=str(path))
    return module


def bounds_of(file: TensorFile) -> Bounds:
    """Return what a shadow may cost that shall be held against `file`."""
    return Bounds(len(file.entries), sum(entry.nbytes for entry in file.entries.values()))


def check_values(module: nn.Module, apart: Collection[str] = (), *, owner: str) -> None:
    """Raise `CheckpointError` if a part has values that it cannot come to have, such as a negative variance.

    Parts called in `apart` are left out. BatchNorm is known here; other classes say of themselves what is
    wrong, by a method `_value_fault` that returns None or a sentence.
    """
    for name, part in parts(module):
        if any(name == one or name.startswith(f"{one}.") for one in apart):
            continue
        ask = getattr(part, "_value_fault", None)
        fault = _norm_fault(part) if isinstance(part, _NormBase) else ask() if callable(ask) else None
        if fault is not None:
            raise CheckpointError(
                f"{owner} needs values that training can lead to",
                f"{fault} in `{name}`",
                "Restore the weights",
            )


def _norm_fault(norm: _NormBase) -> str | None:
    if norm.running_var is not None and bool((norm.running_var < 0).any()):
        return "`running_var` holds a negative variance"
    if norm.num_batches_tracked is not None and int(norm.num_batches_tracked) < 0:
        return "`num_batches_tracked` is negative"
    return None


def _check_header(
    path: Path, file: TensorFile, module: nn.Module, apart: Collection[str]
) -> dict[str, Entry]:
    """Check names, shapes and types in the header against a shadow, and return what it says."""
    entries = _without(file.entries, apart)
    make_room(module, {name: entry.shape for name, entry in entries.items()})
    due = _without(tensor_state(module), apart)
    _match_shapes(path, expected=due, found={name: entry.shape for name, entry in entries.items()})
    for name, entry in entries.items():
        if entry.dtype not in DTYPES:
            raise CheckpointError(
                f"{path} needs tensors of type {', '.join(DTYPES)}",
                f"`{name}` is {entry.dtype}",
                "Convert it, then save the module again",
            )
        if DTYPES[entry.dtype].is_floating_point != due[name].is_floating_point():
            raise CheckpointError(
                f"{path} needs `{name}` to hold {_kind(due[name])}",
                f"it holds {str(DTYPES[entry.dtype]).removeprefix('torch.')}",
                "Save the module again",
            )
    return entries


def _without(tensors: Mapping[str, T], apart: Collection[str]) -> dict[str, T]:
    """Return the tensors that are in none of the parts called `apart`."""
    return {
        name: value
        for name, value in tensors.items()
        if not any(name == part or name.startswith(f"{part}.") for part in apart)
    }


def _fill(file: TensorFile, name: str, target: Tensor) -> None:
    """Read a tensor into `target`, which takes the stored floating-point type, and check its entries."""
    dtype = DTYPES[file.entries[name].dtype]
    if target.is_floating_point() and target.dtype != dtype:
        target.data = torch.empty_like(target, dtype=dtype, memory_format=torch.contiguous_format)
    if target.dtype == dtype and target.is_contiguous():
        value = target.data
        file.read_into(name, value)
    else:
        value = torch.empty(target.shape, dtype=dtype, device=target.device)
        file.read_into(name, value)
        target.data.copy_(value)
    if not is_finite(value):
        count = int((~value.isfinite()).sum())
        raise CheckpointError(
            f"{file.path} needs finite weights",
            f"{count} of {value.numel()} entries of `{name}` are NaN or infinite",
            "Restore the file, or take a checkpoint from before training diverged",
        )


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


def _kind(tensor: Tensor) -> str:
    return "floating-point numbers" if tensor.is_floating_point() else "whole numbers"


def _some(names: list[str]) -> str:
    shown = ", ".join(described_name(name) for name in names[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{shown}{more} {'is' if len(names) == 1 else 'are'}"
