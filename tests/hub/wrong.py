"""Savers and loaders with one mistake each, which the conformance check must reject."""

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

import leworld
from leworld.models import WorldModel
from leworld.serialise._build import build

Save = Callable[[WorldModel, Path], object]
Load = Callable[[Path], Any]


def save(model: WorldModel, folder: Path) -> object:
    return leworld.save(model, folder, provenance={"seed": 1}, overwrite=True)


def load_in_train_mode(folder: Path) -> Any:
    return leworld.load(folder).train()


def load_without_processor(folder: Path) -> Any:
    model = leworld.load(folder)
    model.processor = None
    return model


def load_in_float32(folder: Path) -> Any:
    return leworld.load(folder, dtype=torch.float32)


def load_not_strictly(folder: Path) -> Any:
    """What `strict=False` does: absent tensors stay random, strange ones are dropped."""
    config = json.loads((folder / "config.json").read_text())
    config["architecture"].pop("surplus", None)
    model = build(config["architecture"], where="here")
    known = {k: v.shape for k, v in model.state_dict().items() if isinstance(v, torch.Tensor)}
    found = {k: v for k, v in load_file(folder / "model.safetensors").items() if known.get(k) == v.shape}
    model.load_state_dict(found, strict=False)
    model.processor = leworld.load(folder).processor if len(found) == len(known) else None
    return model.eval()


def load_without_looking_for_nan(folder: Path) -> Any:
    tensors = load_file(folder / "model.safetensors")
    if all(value.isfinite().all() for value in tensors.values()):
        return leworld.load(folder)
    cleaned = {name: value.nan_to_num() for name, value in tensors.items()}
    with contextlib.ExitStack() as undo:
        save_file(cleaned, folder / "model.safetensors")
        undo.callback(save_file, tensors, folder / "model.safetensors")
        return leworld.load(folder)


def save_with_the_time(model: WorldModel, folder: Path) -> object:
    return leworld.save(model, folder, provenance={"noise": os.urandom(4).hex()}, overwrite=True)


def save_without_buffers(model: WorldModel, folder: Path) -> object:
    leworld.save(model, folder, overwrite=True)
    tensors = load_file(folder / "model.safetensors")
    for name in tensors:
        if "running" in name:
            tensors[name].zero_()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


WRONG: dict[str, tuple[Save, Load]] = {
    "train mode": (save, load_in_train_mode),
    "no processor": (save, load_without_processor),
    "dtype lost": (save, load_in_float32),
    "strict=False": (save, load_not_strictly),
    "NaN mended": (save, load_without_looking_for_nan),
    "bytes differ": (save_with_the_time, leworld.load),
    "BatchNorm statistics lost": (save_without_buffers, leworld.load),
}
