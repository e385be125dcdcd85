"""How a packed store lies on the disk, and how errors about one are told.

A store is a folder:

    index.json          what is below, with a digest of each small file and of the index itself
    000000/             a shard: whole episodes, one after another
        lengths.npy     rows of each episode, int64
        actions.npy     (row, action) float32, NaN where an episode has no action
        pixels.npy      (row, height, width, 3) uint8; so every further camera
        state.npy       (row, ...) so every further column
        digests.npy     (episode, camera, 32) uint8, SHA-256 of each episode's pictures, cameras by name
    000001/ ...

Every array is a plain `.npy` file of format 1.0, in C order, little-endian: `numpy.load` reads each of them.
A shard that the index names is never written to again.
"""

import os
import re
import stat
from pathlib import Path

import numpy as np

from ...errors import DataError

INDEX_FILE = "index.json"
UNFINISHED_FILE = "unfinished.json"
FORMAT = "leworld-store"
VERSION = 1
LENGTHS, ACTIONS, DIGESTS, PIXELS = "lengths", "actions", "digests", "pixels"
RESERVED = (LENGTHS, ACTIONS, DIGESTS)
SHARD_NAME = re.compile(r"[0-9]{6}")
MOST_SHARDS = 10**6
MOST_COLUMNS = 1000
REPAIR = "Copy it again, or pack it again"

_MAGIC = b"\x93NUMPY\x01\x00"
_ALIGNED = 64
_DTYPES = frozenset(
    np.dtype(name).str
    for name in ("?", "i1", "u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8")
)


def rule(path: Path, need: str) -> str:
    """Begin an error about the store `path`."""
    return f"The packed store {path} needs {need}"


def is_store_dtype(text: object) -> bool:
    """Whether arrays of this type can be stored, by numpy's short name for it."""
    return isinstance(text, str) and text in _DTYPES


def npy_header(dtype: np.dtype, shape: tuple[int, ...]) -> bytes:
    """Return the bytes that begin the `.npy` file of such an array; the same ones wherever it is written."""
    listed = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
    text = f"{{'descr': '{dtype.str}', 'fortran_order': False, 'shape': ({listed}), }}"
    size = len(_MAGIC) + 2 + len(text) + 1
    padded = text + " " * (-size % _ALIGNED) + "\n"
    return _MAGIC + len(padded).to_bytes(2, "little") + padded.encode("ascii")


def array_bytes(dtype: np.dtype, shape: tuple[int, ...]) -> int:
    """Return the size of such an array in memory."""
    return int(dtype.itemsize * np.prod(shape, dtype=np.float64)) if 0 not in shape else 0


def regular_size(folder: Path, name: str) -> int:
    """Return the size of a file of the store that has to be a plain one: no link, pipe or folder."""
    path = folder / name
    try:
        facts = os.lstat(path)
    except (OSError, ValueError) as error:
        told = getattr(error, "strerror", None) or error
        raise DataError(
            rule(folder, f"its file {name}"), f"looking for it failed ({told})", REPAIR
        ) from error
    if not stat.S_ISREG(facts.st_mode):
        kind = "a link" if stat.S_ISLNK(facts.st_mode) else "a folder, a pipe or a device"
        raise DataError(rule(folder, f"a plain file {name}"), f"it is {kind}", REPAIR)
    return facts.st_size


def read_plain(folder: Path, name: str, *, limit: int) -> bytes:
    """Return the content of a plain file of the store, at most `limit` bytes of it."""
    regular_size(folder, name)
    flags = (
        os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    )
    try:
        with os.fdopen(os.open(folder / name, flags), "rb") as stream:
            return stream.read(limit)
    except OSError as error:
        told = error.strerror or error
        raise DataError(rule(folder, f"its file {name}"), f"reading it failed ({told})", REPAIR) from error
