"""One run at a time in a folder: a lock that the operating system takes back when its holder ends."""

import contextlib
import errno
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from .errors import CheckpointError, ConfigError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCK_FILE = ".leworld.lock"

_BUSY = (errno.EWOULDBLOCK, errno.EACCES, errno.EAGAIN, errno.EDEADLK)
_BYTE = 2**20  # that is locked on Windows, behind the text, which others may then read
_held: ContextVar[frozenset[str]] = ContextVar("held", default=frozenset())
_handles: set[int] = set()
_watching_forks: list[int] = []  # not empty once forks are watched


@contextmanager
def locked_folder(folder: Path, *, owner: str) -> Iterator[None]:
    """Keep every other run out of `folder` while the block lasts; the folder is made if missing.

    The lock is `flock`'s (on Windows a locked byte) on a file that stays: a process that is killed holds it
    no longer. Linux passes it on to NFS servers; where a file system has no locks at all, a warning says so.
    A block within a block, for the same folder, is let in; another thread is not. Processes that are forked
    in the block do not hold the lock, so that it never outlives its holder. If the block fails, a folder that
    it made and left empty is removed.

    Args:
        folder: The folder.
        owner: Who asks, for messages.

    Raises:
        ConfigError: Another run holds it.
        CheckpointError: The folder cannot be made or written.
    """
    place = os.path.realpath(folder)
    if place in _held.get():
        yield
        return
    is_new = not os.path.exists(folder)
    handle = _open(folder, owner)
    try:
        while not _acquire(handle, folder, owner):  # the file was removed meanwhile, with its folder
            _close(handle)
            handle = _open(folder, owner)
        token = _held.set(_held.get() | {place})
        try:
            yield
        except BaseException:
            if is_new:
                _remove_empty(folder)
            raise
        finally:
            _held.reset(token)
    finally:
        _close(handle)


def _close(handle: int) -> None:
    if handle in _handles:  # else a fork has closed it
        _handles.discard(handle)
        os.close(handle)


def _close_copies() -> None:
    for handle in list(_handles):
        with contextlib.suppress(OSError):
            _close(handle)


def _remove_empty(folder: Path) -> None:
    """Remove a folder that holds nothing but the lock."""
    with contextlib.suppress(OSError):
        if os.listdir(folder) == [LOCK_FILE]:
            (folder / LOCK_FILE).unlink()
            folder.rmdir()


def _open(folder: Path, owner: str) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o666)
    except (OSError, ValueError) as error:  # a NUL in a name is a ValueError
        if os.path.exists(folder) and not os.path.isdir(folder):
            told = "it is a file"
        else:
            told = f"writing there failed ({getattr(error, 'strerror', None) or error})"
        raise CheckpointError(
            f"{owner} needs a folder that it may write to, here {folder}",
            told,
            "Choose another folder, on a disk with room",
        ) from error
    if not _watching_forks and hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_close_copies)
        _watching_forks.append(os.getpid())
    _handles.add(handle)
    return handle


def _acquire(handle: int, folder: Path, owner: str) -> bool:
    """Take the lock, and return whether the file that it is on still has its name."""
    try:
        if sys.platform == "win32":
            os.lseek(handle, _BYTE, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _BUSY:
            warnings.warn(
                f"{folder} is on a file system without locks ({error.strerror}): see to it yourself that no "
                "second run uses it.",
                stacklevel=5,
            )
            return True
        raise ConfigError(
            f"{owner} needs its folder for itself",
            f"another run, of process {_holder(handle)}, is using {folder}",
            "Wait until it has ended, or choose another folder",
        ) from error
    with contextlib.suppress(OSError):  # the text only serves the message above
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, str(os.getpid()).encode())
    try:
        return os.path.samestat(os.fstat(handle), os.stat(folder / LOCK_FILE))
    except OSError:
        return False


def _holder(handle: int) -> str:
    with contextlib.suppress(OSError):
        os.lseek(handle, 0, os.SEEK_SET)
        text = os.read(handle, 32).decode(errors="replace")
        if text.isdigit():
            return text
    return "unknown number"
