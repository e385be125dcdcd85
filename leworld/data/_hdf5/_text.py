"""Reading a text attribute of an HDF5 file without libhdf5, whose reader of texts can hang on damaged ones.

libhdf5 2.0.0 runs for ever over a global heap in which one object's size is near 2^64 (its size and header
add up to 0). A text of variable length, which is how h5py writes one, lies in such a heap. Its place is found
here by the format's own description (HDF5 File Format Specification 3.0, III.E, IV.A.1, IV.A.2.m, IV.A.2.q),
with every step bounded.
"""

from collections.abc import Iterator
from typing import BinaryIO

_MAX_BLOCKS = 1024
_MAX_BLOCK = 2**24
_MAX_TEXT = 2**20
_ATTRIBUTE, _CONTINUATION, _ATTRIBUTE_INFO = 0x0C, 0x10, 0x15


def variable_text(stream: BinaryIO, header: int, base: int, name: bytes) -> bytes | None:
    """Return the text of an attribute of the object whose header is at `header`.

    Addresses in the file count from `base`. None says that the attribute is kept in another way, as one of
    very many is. Raises ValueError where the bytes cannot be right.
    """
    elsewhere = False
    for kind, flags, content in _messages(stream, header, base):
        elsewhere = elsewhere or kind == _ATTRIBUTE_INFO or bool(flags & 2)
        if kind == _ATTRIBUTE and not flags & 2:
            found, reference = _attribute(content)
            if found == name:
                return _heap_text(stream, base, reference)
    if not elsewhere:
        raise ValueError("the attribute is not where it should be")
    return None


def _messages(stream: BinaryIO, header: int, base: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield kind, flags and content of every message of an object header, of either version."""
    start = _read(stream, base + header, 48)
    new = start.startswith(b"OHDR")
    flags = start[5] if new else 0
    if new:
        at = 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        width = 1 << (flags & 3)
        blocks = [(header + at + width, _number(start[at : at + width]))]
    elif start[0] == 1:
        blocks = [(header + 16, _number(start[8:12]))]
    else:
        raise ValueError("the object header has no known version")
    total = 0
    for count, (address, size) in enumerate(blocks):
        total += size
        block = _read(stream, base + address, size if total <= _MAX_BLOCK else -1)
        for kind, message_flags, content in _of_block(block, new, 2 if flags & 4 else 0):
            if kind == _CONTINUATION and count < _MAX_BLOCKS:
                place, length = _number(content[:8]), _number(content[8:16])
                # Such a block of the newer version stands between a signature and a checksum.
                blocks.append((place + 4, length - 8) if new else (place, length))
            yield kind, message_flags, content


def _of_block(block: bytes, new: bool, order: int) -> Iterator[tuple[int, int, bytes]]:
    at, head = 0, 4 + order if new else 8
    while at + head <= len(block):
        kind, size, flags = (
            (block[at], _number(block[at + 1 : at + 3]), block[at + 3])
            if new
            else (_number(block[at : at + 2]), _number(block[at + 2 : at + 4]), block[at + 4])
        )
        yield kind, flags, block[at + head : at + head + size]
        at += head + size


def _attribute(message: bytes) -> tuple[bytes, bytes]:
    """Return the name of an attribute and the 16 bytes that refer to its text."""
    version = message[0] if message else 0
    if version not in (1, 2, 3) or len(message) < 9:
        raise ValueError("an attribute has no known version")
    sizes = [_number(message[at : at + 2]) for at in (2, 4, 6)]
    steps = [size + -size % 8 for size in sizes] if version == 1 else sizes
    start = 9 if version == 3 else 8
    end = start + sum(steps)
    return message[start : start + sizes[0]].split(b"\0")[0], message[end : end + 16]


def _heap_text(stream: BinaryIO, base: int, reference: bytes) -> bytes:
    """Return the text that an attribute refers to: its length, its heap and its number there."""
    length, heap, wanted = _number(reference[:4]), _number(reference[4:12]), _number(reference[12:16])
    if length == 0:
        return b""
    head = _read(stream, base + heap, 16)
    if not head.startswith(b"GCOL\x01") or length > _MAX_TEXT:
        raise ValueError("its text is not where it should be")
    block = _read(stream, base + heap, _number(head[8:16]))
    at = 16
    while at + 16 <= len(block) and (number := _number(block[at : at + 2])) != 0:
        size = _number(block[at + 8 : at + 16])
        if number == wanted and length <= size and at + 16 + length <= len(block):
            return block[at + 16 : at + 16 + length].split(b"\0")[0]
        at += 16 + size + -size % 8
    raise ValueError("its text is not where it should be")


def _read(stream: BinaryIO, place: int, size: int) -> bytes:
    if not (0 <= place < 2**63 and 0 <= size <= _MAX_BLOCK):
        raise ValueError(f"a block of {size} bytes at {place} is no part of the file")
    stream.seek(place)
    return stream.read(size)


def _number(content: bytes) -> int:
    return int.from_bytes(content, "little")
