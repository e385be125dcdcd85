"""Paths as a user writes them, digests, and files that are written whole or not at all."""

import contextlib
import hashlib
import io
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import final

from .errors import CheckpointError, LeWorldError

_HOLLOW = 2**28  # bytes; smaller files are read whatever they take on the disk


def local_path(path: object) -> Path:
    """Return `path` as an absolute path with `~` expanded."""
    if not isinstance(path, str | os.PathLike) or isinstance(os.fspath(path), bytes):
        kind = type(path).__name__
        raise CheckpointError("A path needs to be a text or a Path", f"it is a {kind}", "Pass 'runs/a', say")
    try:
        if b"\0" in os.fsencode(path):
            raise ValueError("it holds a null character")
        return Path(path).expanduser().absolute()
    except ValueError as error:  # a NUL, or a surrogate that no file system can hold
        raise CheckpointError(
            "A path needs to be one that a file system can hold", f"{error}", "Choose another name"
        ) from error
    except FileNotFoundError as error:
        raise CheckpointError(
            "A relative path needs a working directory that exists",
            "the one of this process was removed",
            "Write the path in full, or change to another directory",
        ) from error
    except RuntimeError as error:
        raise CheckpointError(
            "A path that starts with `~` needs a user that exists",
            f"it is `{path}`",
            "Write the path in full",
        ) from error


@contextmanager
def regular_file(path: Path) -> Iterator[io.FileIO]:
    """Open a file for reading that has to be a plain one: a pipe or a device could keep a reader for ever.

    Raises:
        CheckpointError: if there is none, it may not be read, or reading it fails while the block lasts.
    """
    rule, fix = f"{path} needs to be a readable file", "Restore it, or save or download the checkpoint again"
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:  # a NUL in a name is a ValueError
        told = getattr(error, "strerror", None) or error
        raise CheckpointError(rule, f"opening it failed ({told})", fix) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise CheckpointError(rule, "it is a folder, a pipe or a device", fix)
    if _is_hollow(handle):
        os.close(handle)
        raise CheckpointError(rule, "nearly all of it is holes that no disk holds", fix)
    try:
        with io.FileIO(handle, "rb") as stream:
            yield stream
    except OSError as error:
        raise CheckpointError(rule, f"reading it failed ({error.strerror or error})", fix) from error


@final
@dataclass(frozen=True)
class Identity:
    """Which file it is, and in which state: an exchanged or rewritten one has another identity."""

    device: int
    number: int
    size: int
    changed_ns: int


def identity(file: Path | int) -> Identity:
    """Return the identity of a path or of an open file."""
    facts = os.stat(file)
    return Identity(facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)


def _is_hollow(handle: int) -> bool:
    """Whether a large file takes hardly any room: to read it would cost far more than to make it did."""
    facts = os.fstat(handle)
    blocks = getattr(facts, "st_blocks", facts.st_size)
    if facts.st_size < _HOLLOW or blocks * 512 * 64 > facts.st_size or not hasattr(os, "SEEK_HOLE"):
        return False
    with contextlib.suppress(OSError):  # some file systems cannot tell
        hole = os.lseek(handle, 0, os.SEEK_HOLE)
        os.lseek(handle, 0, os.SEEK_SET)
        return hole < facts.st_size
    return False


def read_bytes(path: Path, *, limit: int) -> bytes:
    """Return at most the first `limit` bytes of a regular file."""
    pieces = []
    with regular_file(path) as stream:
        while limit > 0 and (piece := stream.read(min(limit, 2**20))):
            pieces.append(piece)
            limit -= len(piece)
    return b"".join(pieces)


def digest(path: Path) -> str:
    """Return the SHA-256 of a regular file in hexadecimal."""
    with regular_file(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_atomically(
    path: str | os.PathLike[str],
    write: Callable[[Path], object],
    *,
    temporary_name: str | None = None,
    error: type[LeWorldError] = CheckpointError,
) -> Path:
    """Call `write` with a temporary path beside `path`, then flush and rename.

    A failure leaves an old file as it was. The temporary path has the suffix of `path`, which writers of
    pictures take for the format, and a random name, so that several processes may write at once. A
    `temporary_name` is for a file that only one process writes, over and over: what a killed process leaves
    behind is then overwritten by the next one. Missing folders are made. What the disk refuses is told as an
    `error`.
    """
    target = Path(path)
    name = temporary_name or f".{target.stem[:40]}-{secrets.token_hex(4)}{target.suffix[:20]}"
    temporary = target.with_name(name)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        flush(temporary)
        temporary.replace(target)
        flush(target.parent)
    except OSError as refusal:
        raise error(
            f"Writing needs {target} to be a file that can be written",
            f"that failed ({refusal.strerror or refusal})",
            "Choose a place that you may write to, on a disk with room",
        ) from refusal
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return target


def write_by_memory(file: Path, write: Callable[[io.BytesIO], object]) -> None:
    """Let `write` fill memory, then write that to `file`.

    Writing to a full disk by themselves, torch's writers can end the process.
    """
    memory = io.BytesIO()
    write(memory)
    file.write_bytes(memory.getbuffer())


def flush(path: Path) -> None:
    """Force a file or folder to disk; Windows can flush no folder, so there nothing happens."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def run_name(source: str | os.PathLike[str]) -> str:
    """Return the name of a run: that of its folder, or of the one above where every run has such a folder."""
    if not Path(source).is_dir():
        return os.fspath(source)
    folder = Path(source).resolve()
    return folder.parent.name or folder.name if folder.name == "model" else folder.name
