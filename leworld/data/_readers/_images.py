"""Pictures in files, one each, as a column."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ...errors import DataError
from .._lazy import LazyColumn
from ._folder import optional, reading, rule

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
_MOST_PIXELS = 2**26
_BYTES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")  # others would be cut off at 255


class ImageFiles(LazyColumn):
    """One camera with a PNG or JPEG file for every row."""

    def __init__(self, owner: str, files: Sequence[Path]) -> None:
        self._owner, self._files = owner, list(files)
        self.shape = (len(files), *self._decoded(0).shape)
        self.dtype = np.dtype(np.uint8)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Decode the files of some rows."""
        found = np.empty((len(rows), *self.shape[1:]), np.uint8)
        for place, row in enumerate(rows.tolist()):
            picture = self._decoded(row)
            if picture.shape != self.shape[1:]:
                raise DataError(
                    rule(self._files[row], f"the size of the first picture, {self.shape[1]}x{self.shape[2]}"),
                    f"it is {picture.shape[0]}x{picture.shape[1]}",
                    "Write the pictures at one size",
                )
            found[place] = picture
        return found

    def _decoded(self, row: int) -> np.ndarray:
        path = self._files[row]
        with reading(path, "to be there"), path.open("rb") as stream:
            return decoded(self._owner, path, stream)


def decoded(owner: str, path: Path, stream: BinaryIO) -> np.ndarray:
    """Return a PNG or JPEG picture as (height, width, 3) uint8."""
    image_module = optional("PIL.Image", owner)
    with reading(path, "a picture that can be decoded"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with image_module.open(stream, formats=("PNG", "JPEG")) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise DataError(
                    rule(path, f"pictures of at most {_MOST_PIXELS} pixels"),
                    f"one declares {image.height}x{image.width}",
                    "Write it again",
                )
            if image.mode not in _BYTES:
                raise DataError(
                    rule(path, "pictures of 8 bits a channel"),
                    f"one is of mode {image.mode}, as depths are",
                    "Bring its values to 0 to 255 and write it as 8 bits, or leave the camera out",
                )
            return np.array(image.convert("RGB"))
