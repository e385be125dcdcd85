"""Paths as a user writes them, digests, and files that are written whole or not at all."""

import hashlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from .errors import CheckpointError


def local_path(path: str | os.PathLike[str]) -> Path:
    """Return `path` as an absolute path with `~` expanded."""
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError as error:
        raise CheckpointError(
            "A path that starts with `~` needs a user that exists",
            f"it is `{path}`",
            "Write the path in full",
        ) from error


def digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_atomically(
    path: str | os.PathLike[str], write: Callable[[Path], object], *, temporary_name: str | None = None
) -> Path:
    """Call `write` with a temporary path beside `path`, then flush and rename.

    A failure leaves an old file as it was. The temporary path has the suffix of `path`, which writers of
    pictures take for the format, and a random name, so that several processes may write at once. A
    `temporary_name` is for a file that only one process writes, over and over: what a killed process leaves
    behind is then overwritten by the next one. Missing folders are made.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    name = temporary_name or f".{target.stem}-{secrets.token_hex(4)}{target.suffix}"
    temporary = target.with_name(name)
    try:
        write(temporary)
        flush(temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    flush(target.parent)
    return target


def flush(path: Path) -> None:
    """Force a file or folder to disk; Windows can flush no folder, so there nothing happens."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
