"""Damage a safetensors file: what is read equals what safetensors itself reads, or the file is refused."""

import json
import os
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

import leworld

WEIGHTS = "model.safetensors"
NUMBERS = (-1, 0, 1, 2, 3, 7, 8, 2**15, 2**31, 2**32, 2**62, 2**63, 2**64, 10**30)
DTYPES = ("F32", "F16", "BF16", "F64", "I64", "I8", "U8", "BOOL", "F8_E4M3", "U64", "C64", "x", "")


def attempt(generator: np.random.Generator, folder: Path) -> str:
    """Copy a good checkpoint, damage its weights in one to three ways, and load it."""
    place = folder / "m"
    shutil.copytree(prepare(), place)
    for _ in range(int(generator.integers(1, 4))):
        damage(place / WEIGHTS, generator)
    model = leworld.load(place)
    stored = values(
        place / WEIGHTS
    )  # an error of safetensors here would be a fault of ours: we took the file
    for name, value in model.state_dict().items():
        if "_extra_state" not in name and not torch.equal(value, stored[name].to(value.dtype)):
            raise AssertionError(f"{name} is not what the file holds")
    return "loaded"


def values(path: Path) -> dict[str, Tensor]:
    """Return the tensors as safetensors reads them."""
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 -- no mapping
    except SafetensorError as error:
        raise AssertionError(f"safetensors does not read it: {error}") from error


@cache
def prepare() -> Path:
    """Return the folder of a good checkpoint, which has been loaded once."""
    leworld.load("lewm-tworoom-tiny")
    return Path(leworld.__file__).parent / "hub" / "checkpoints" / "lewm-tworoom-tiny"


def damage(path: Path, generator: np.random.Generator) -> None:
    """Damage a file in place, in one way."""
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    try:
        header = json.loads(raw[8 : 8 + length])
        names = [name for name in header if isinstance(header[name], dict) and "dtype" in header[name]]
        entry = header[names[int(generator.integers(len(names)))]]
        other = header[names[int(generator.integers(len(names)))]]
    except (ValueError, IndexError, AttributeError, TypeError):
        _bytes(path, raw, generator)
        return
    data = raw[8 + length :]
    kind = int(generator.integers(16))
    if kind <= 2:
        _bytes(path, raw, generator)
        return
    if kind == 3:
        os.truncate(path, int(generator.integers(len(raw) + 1)))
        return
    if kind == 4:
        lie = int(generator.choice([0, 1, 7, length - 1, length + 1, length + 8, len(raw), 2**31, 2**62]))
        path.write_bytes(lie.to_bytes(8, "little") + raw[8:])
        return
    if kind == 5:
        path.write_bytes(raw + bytes(int(generator.integers(1, 100))))
        return
    if kind == 6:
        start = int(generator.integers(max(len(data) // 4, 1))) * 4
        poison = np.float32(generator.choice([np.nan, np.inf, -1.0, 1e-45, 3e38])).tobytes()
        path.write_bytes(raw[: 8 + length] + data[:start] + poison + data[start + 4 :])
        return
    _header(header, names, entry, other, kind, generator)
    text = json.dumps(header)
    if kind == 15:
        first = json.dumps(names[0])
        text = text[:-1] + f", {first}: {json.dumps(header[names[0]])}}}"
    encoded = text.encode()
    encoded += b" " * int(generator.choice([0, -len(encoded) % 8, 100_000]))
    path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + data)


def _header(
    header: dict[str, Any],
    names: list[str],
    entry: Any,
    other: Any,
    kind: int,
    generator: np.random.Generator,
) -> None:
    number = int(NUMBERS[int(generator.integers(len(NUMBERS)))])
    if kind == 7 and entry.get("shape"):
        entry["shape"][int(generator.integers(len(entry["shape"])))] = number
    elif kind == 8 and entry.get("data_offsets"):
        entry["data_offsets"][int(generator.integers(2))] = number
    elif kind == 9:
        entry["dtype"] = DTYPES[int(generator.integers(len(DTYPES)))]
    elif kind == 10:
        entry["data_offsets"], other["data_offsets"] = other.get("data_offsets"), entry.get("data_offsets")
    elif kind == 11:
        entry["data_offsets"] = other.get("data_offsets")
    elif kind == 12:
        old = names[int(generator.integers(len(names)))]
        header["x" * int(generator.choice([1, 40, 10_000]))] = header.pop(old)
    elif kind == 13:
        for i in range(int(generator.choice([1, 100, 20_000]))):
            header[f"extra{i}"] = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    elif kind == 14:
        odd = ([], {}, None, 3, "x", {"a": 1}, [[]], 1.5, True)
        entry[str(generator.choice(["shape", "dtype", "data_offsets", "more"]))] = odd[
            int(generator.integers(len(odd)))
        ]


def _bytes(path: Path, raw: bytes, generator: np.random.Generator) -> None:
    changed = bytearray(raw)
    for _ in range(int(generator.integers(1, 4))):
        if changed:
            span = len(changed) if generator.random() < 0.5 else min(len(changed), 6_000)
            changed[int(generator.integers(span))] = int(generator.integers(256))
    path.write_bytes(bytes(changed))
