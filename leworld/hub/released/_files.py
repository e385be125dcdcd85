"""Reading files of weights of others: pickled state dicts and safetensors."""

import io
import os
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..._checks import describe
from ..._files import regular_file
from ..._tensor_file import open_tensors
from ..._tensors import is_finite
from ...errors import CheckpointError
from ._pickle_check import check_pickle

RELEASED_WEIGHTS = "weights.pt"
_SLACK = 2**20  # what a zip archive may unpack to beyond its own size


def read_pickle(path: Path) -> Mapping[str, Any]:
    """Read a state dict with `weights_only=True` after a look at the archive around it."""
    with regular_file(path) as stream:
        _check_archive(path, stream)
        stream.seek(0)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch remarks on newer pickle protocols
                state = torch.load(stream, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise CheckpointError(
                f"{path} needs to hold a plain state dict",
                "it pickles other objects, such as a whole module, which would run code when read",
                "Where it was made, write `torch.save(model.state_dict(), 'weights.pt')`, and load that",
            ) from error
        except Exception as error:  # a damaged pickle is a program that can fail in any way
            told = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            raise CheckpointError(
                f"{path} needs to be a whole file of torch.save",
                f"reading it failed ({told})",
                "Restore the file, or download it again",
            ) from error
    if not isinstance(state, Mapping):
        raise CheckpointError(f"{path} needs to hold a state dict", f"it holds {describe(state)}", "Save one")
    return state


def _check_archive(path: Path, stream: io.FileIO) -> None:
    """Refuse what is no zip archive of torch.save, and one that unpacks to more than it holds."""
    if stream.read(4) != b"PK\x03\x04":
        raise CheckpointError(
            f"{path} needs to be a zip archive as torch.save writes it",
            "it is something else, perhaps a bare pickle",
            "Where it was made, write it again with `torch.save(model.state_dict(), 'weights.pt')`",
        )
    try:
        with zipfile.ZipFile(stream) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
            size = os.fstat(stream.fileno()).st_size
            if unpacked > size + _SLACK:
                raise CheckpointError(
                    f"{path} needs to unpack to about its own size",
                    f"its {size} bytes claim to hold {unpacked}",
                    "Do not trust its source",
                )
            check_pickle(archive, path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
        raise CheckpointError(
            f"{path} needs to be a whole zip archive",
            f"it is damaged ({error})",
            "Restore the file, or download it again",
        ) from error


def read_safetensors(path: Path) -> Mapping[str, Tensor]:
    """Read all tensors of a file."""
    with open_tensors(path) as file:
        state = {name: file.read(name) for name in file.entries}
        file.check_unchanged()
    return state


def check_tensors(folder: Path | str, state: Mapping[str, Any]) -> None:
    """Refuse sparse, expanded and non-finite tensors, in the name of where they lie."""
    inner = state.get("state_dict")
    for name, value in (inner if isinstance(inner, Mapping) else state).items():
        if not isinstance(value, Tensor):
            continue
        if value.layout is not torch.strided or value.is_quantized or value.is_complex():
            raise CheckpointError(
                f"{folder} needs plain tensors", f"`{name}` is {describe(value)}", "Save dense ones"
            )
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise CheckpointError(
                f"{folder} needs tensors that are all in the file",
                f"`{name}` of shape {tuple(value.shape)} repeats a smaller memory",
                "Save it with `.contiguous()`, or do not trust its source",
            )
        if not is_finite(value):
            raise CheckpointError(
                f"{folder} needs finite weights", f"`{name}` holds NaN or infinity", "Take another checkpoint"
            )
