"""Arrays of stable-worldmodel's `.npz` files, without objects and at a cost that follows from their size."""

import zipfile
from pathlib import Path

import numpy as np

from ...errors import DataError
from ._folder import reading, rule

_FLOOR = 2**26
_RATIO = 1100  # of deflate
_MEMBER = "arr_0.npy"


def npz_array(path: Path) -> np.ndarray | None:
    """Return the one array of a file, None where it holds texts or objects."""
    with reading(path, "to be a readable .npz file"), zipfile.ZipFile(path) as archive:
        info = archive.NameToInfo.get(_MEMBER)
        if info is None or info.file_size > max(
            _FLOOR, _RATIO * min(info.compress_size, path.stat().st_size)
        ):
            raise DataError(
                rule(path, "one array `arr_0` of the size that it stores"),
                "there is none" if info is None else f"it declares {info.file_size} bytes",
                "Write it again with `np.savez(path, array)`",
            )
        with archive.open(info) as stream:
            version = np.lib.format.read_magic(stream)
            read_header = {(1, 0): np.lib.format.read_array_header_1_0}.get(
                version, np.lib.format.read_array_header_2_0
            )
            shape, _, dtype = read_header(stream)
            if dtype.hasobject or dtype.kind not in "biuf":
                return None
            if int(np.prod(shape, dtype=np.float64)) * dtype.itemsize > info.file_size:
                raise ValueError(f"it declares shape {shape}")
        with archive.open(info) as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)
