"""The package's C files, compiled when it was installed. Here they are loaded, and nothing is compiled.

A file `_native.c` becomes `libnative.so` beside it, which holds each function once for every level of
instructions: `NAME_baseline`, and on x86-64 `NAME_avx2` and `NAME_avx512`. The library knows from which
source it was made.
"""

import functools
import hashlib
import os
from collections.abc import Callable
from ctypes import CDLL, c_char_p
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

_FOLDER = Path(__file__).parent
_DISPATCH = "__torch_dispatch__"  # of its own where a tensor stands for numbers that are elsewhere
_REMEDY = "reinstall leworld where there is a C compiler (in a clone: `pip install --editable .`)"


@final
@dataclass(frozen=True)
class Library:
    """A loaded C file, and the level of instructions whose functions it gives."""

    level: str
    loaded: CDLL

    def function(self, name: str, *types: Any) -> Callable[..., None]:
        """Return a function of C that takes arguments of these types and returns nothing."""
        found = getattr(self.loaded, f"{name}_{self.level}")
        found.argtypes, found.restype = types, None
        return found


@functools.cache
def load(source: Path) -> Library | str:
    """Load what was compiled from a C file, or say why it cannot be used."""
    if os.environ.get("LEWORLD_NATIVE") == "0":
        return "the environment variable LEWORLD_NATIVE is 0"
    path = source.with_name("libnative.so")
    if not path.exists():
        note = _FOLDER / "not_built.txt"
        why = note.read_text(encoding="utf-8").strip() if note.exists() else "this source was never installed"
        return f"its C was not compiled when leworld was installed ({why}): {_REMEDY}"
    try:
        loaded = CDLL(str(path))
        made_from, level = loaded.leworld_source, loaded.leworld_level
        made_from.restype = level.restype = c_char_p
        if made_from().decode() != fingerprint(source):
            return f"`{path.name}` was built from another source: {_REMEDY}"
        return Library(level().decode(), loaded)
    except (OSError, AttributeError) as error:
        return f"`{path.name}` does not load ({error}): {_REMEDY}"


def fingerprint(source: Path) -> str:
    """Return a hash of all C that goes into the library of a C file."""
    return hashlib.sha256(source.read_bytes() + (_FOLDER / "_levels.c").read_bytes()).hexdigest()


def pointer(tensor: Tensor, *shape: int, dtype: torch.dtype = torch.float32) -> int:
    """Return where a tensor's numbers begin, if they are what C will read or write: so many, one by one."""
    if not _is_plain(tensor, shape, dtype) or not tensor.is_contiguous():
        raise RuntimeError(_refusal("contiguous", tensor, shape, dtype))
    return tensor.data_ptr()


def row_pointer(tensor: Tensor, *shape: int, dtype: torch.dtype = torch.float32) -> int:
    """Return where a tensor's numbers begin, if C can walk through its rows by the strides of other axes."""
    if not _is_plain(tensor, shape, dtype) or (tensor.stride(-1) != 1 and shape[-1] > 1):
        raise RuntimeError(_refusal("rows of", tensor, shape, dtype))
    return tensor.data_ptr()


def _is_plain(tensor: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> bool:
    """Whether these are numbers in the CPU's memory, as they are and all there, and no stand-in for some."""
    if (
        getattr(type(tensor), _DISPATCH) is not getattr(Tensor, _DISPATCH)
        or tensor.layout != torch.strided
        or (tensor.device.type, tensor.dtype, tuple(tensor.shape)) != ("cpu", dtype, shape)
        or tensor.is_neg()
        or tensor._is_zerotensor()
    ):
        return False
    steps = zip(tensor.shape, tensor.stride(), strict=True)
    last = tensor.storage_offset() + sum((size - 1) * stride for size, stride in steps)
    return tensor.numel() == 0 or (last + 1) * tensor.element_size() <= tensor.untyped_storage().nbytes()


def _refusal(layout: str, tensor: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> str:
    return (
        f"C needs {layout} {dtype} numbers {shape} in the CPU's memory, and was to be given a "
        f"{type(tensor).__name__} of {tensor.dtype} {tuple(tensor.shape)} on {tensor.device}"
    )
