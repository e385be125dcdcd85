"""Digests of arrays, episodes and weights: equal content, equal digest, however it lies in memory."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

_ROWS_BYTES = 16 * 2**20  # that are copied at a time where an array is not contiguous
_SHORT = 16  # hexadecimal digits of an episode's digest, 64 bits


def text_digest(*texts: str | bytes) -> str:
    """Return the SHA-256 of texts, each told apart from the next, in hexadecimal."""
    found = hashlib.sha256()
    for text in texts:
        raw = text.encode() if isinstance(text, str) else text
        found.update(len(raw).to_bytes(8, "little") + raw)
    return found.hexdigest()


def tensor_digest(tensor: Tensor) -> str:
    """Return a digest of a tensor's type, shape and bytes."""
    flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    found = hashlib.sha256(f"{tensor.dtype} {tuple(tensor.shape)} ".encode())
    found.update(flat.numpy().data)
    return found.hexdigest()[:32]


def weights_digest(module: nn.Module) -> str:
    """Return one digest of all parameters of a module and their names."""
    return text_digest(*(f"{name} {tensor_digest(value)}" for name, value in module.named_parameters()))[:32]


def row_digests(column: Any, lengths: Sequence[int] | np.ndarray) -> list[bytes]:
    """Return a digest of the rows of every episode in `column`, every byte of which is read.

    Where a column that is not in memory knows the digests of its pictures, these are taken. Pictures (uint8,
    four axes) are taken as they are, all else as float64 with one zero and one NaN, so that the type in which
    numbers were stored plays no part.
    """
    pictures = column.dtype == np.uint8 and column.ndim == 4
    row_bytes = max(1, int(np.prod(column.shape[1:])) * (1 if pictures else 8))
    step = max(1, _ROWS_BYTES // row_bytes)
    recorded = getattr(column, "digest", None) if pictures else None
    digests, first = [], 0
    for length in lengths:
        last = first + int(length)
        known = None if recorded is None else recorded(first, last)
        if known is not None:
            digests.append(known)
            first = last
            continue
        found = begun_digest(column.shape[1:])
        for start in range(first, last, step):
            rows = column[start : min(start + step, last)]
            found.update((np.ascontiguousarray(rows) if pictures else _numbers(rows)).data)
        digests.append(found.digest())
        first = last
    return digests


def begun_digest(tail: Sequence[int]) -> "hashlib._Hash":
    """Return what `row_digests` gives for pictures of shape `tail`, before their bytes are added."""
    return hashlib.sha256(np.array(tail, "<i8").tobytes())


def column_digest(column: Any, episodes: Iterable[bytes]) -> str:
    """Return the digest of a whole column, its type included, from those of its episodes."""
    return text_digest(f"{column.dtype.str} {column.shape}", *episodes)[:32]


def joined_digests(parts: Mapping[str, Sequence[bytes]]) -> tuple[str, ...]:
    """Return one short digest an episode from the digests of what was recorded of it, by name."""
    names = sorted(parts)
    rows = zip(*(parts[name] for name in names), strict=True)
    return tuple(
        text_digest(*(piece for pair in zip(names, row, strict=True) for piece in pair))[:_SHORT]
        for row in rows
    )


def action_digests(actions: np.ndarray, lengths: np.ndarray) -> list[bytes]:
    """Return a digest of the actions of every episode but the last row's, which lead to no frame."""
    known = actions.copy()
    known[np.cumsum(lengths) - 1] = 0.0
    return row_digests(known, lengths)


def _numbers(rows: np.ndarray) -> np.ndarray:
    values = np.array(rows, dtype="<f8", order="C") + 0.0  # which makes -0.0 a 0.0
    values[np.isnan(values)] = np.nan
    return values
