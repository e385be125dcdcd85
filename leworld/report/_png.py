"""PNG pictures and animations, written without any package, byte for byte the same each time."""

import base64
import struct
import zlib

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LARGEST_SIDE = 96


def still(pixels: np.ndarray) -> str:
    """Encode one uint8 picture "height width 3" as a data URI."""
    frame = _limited(pixels[None])[0]
    chunks = [_header(frame), _chunk(b"IDAT", _packed(frame)), _chunk(b"IEND", b"")]
    return _uri(chunks)


def film(frames: np.ndarray, *, milliseconds: int = 100, hold: int = 1200) -> str:
    """Encode uint8 frames "moment height width 3" as an animated PNG that loops, with a pause at its end."""
    frames = _limited(frames)
    height, width = frames.shape[1:3]
    chunks = [_header(frames[0]), _chunk(b"acTL", struct.pack(">II", len(frames), 0))]
    number = 0
    for index, frame in enumerate(frames):
        delay = hold if index == len(frames) - 1 else milliseconds
        control = struct.pack(">IIIIIHHBB", number, width, height, 0, 0, delay, 1000, 0, 0)
        chunks.append(_chunk(b"fcTL", control))
        number += 1
        if index == 0:
            chunks.append(_chunk(b"IDAT", _packed(frame)))
        else:
            chunks.append(_chunk(b"fdAT", struct.pack(">I", number) + _packed(frame)))
            number += 1
    chunks.append(_chunk(b"IEND", b""))
    return _uri(chunks)


def row(pictures: np.ndarray, *, gap: int = 2) -> np.ndarray:
    """Put uint8 pictures "picture height width 3" side by side on mid grey."""
    pictures = _limited(pictures)
    count, height, width = pictures.shape[:3]
    canvas = np.full((height, count * (width + gap) - gap, 3), 128, np.uint8)
    for index, picture in enumerate(pictures):
        left = index * (width + gap)
        canvas[:, left : left + width] = picture
    return canvas


def _limited(frames: np.ndarray) -> np.ndarray:
    """Shrink pictures by a whole factor, averaging areas, until no side is long."""
    side = max(frames.shape[1:3])
    factor = -(-side // _LARGEST_SIDE) if frames.shape[1] > _LARGEST_SIDE else 1
    if factor == 1:
        return np.ascontiguousarray(frames)
    height, width = (size // factor for size in frames.shape[1:3])
    cut = frames[:, : height * factor, : width * factor].astype(np.float32)
    parts = cut.reshape(len(frames), height, factor, width, factor, 3)
    return parts.mean(axis=(2, 4)).round().astype(np.uint8)


def _header(frame: np.ndarray) -> bytes:
    height, width = frame.shape[:2]
    return _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


def _packed(frame: np.ndarray) -> bytes:
    """Filter every line by the one above, which flat pictures like, and compress."""
    lines = frame.reshape(len(frame), -1)
    above = np.vstack([np.zeros_like(lines[:1]), lines[:-1]])
    filtered = np.hstack([np.full((len(lines), 1), 2, np.uint8), lines - above])
    return zlib.compress(filtered.tobytes(), 9)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _uri(chunks: list[bytes]) -> str:
    return "data:image/png;base64," + base64.b64encode(_SIGNATURE + b"".join(chunks)).decode("ascii")
