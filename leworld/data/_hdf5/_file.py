"""One HDF5 file, read as what it is: a stranger's bytes, which may be damaged and may point elsewhere."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..._checks import describe, require
from ...errors import DataError
from .._arguments import path_of
from .._hdf5_layout import MOST_ATTRIBUTE_BYTES, REPAIR, guarded, rule, shown, told
from ._stored import StoredColumn
from ._text import variable_text

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_BUSY = ("unable to lock", "already open for write")
_MAX_LINKS = 64
_COPY = "Copy what it points to into this file, under that name"


class DataFile:
    """An open file: its columns by name, and its attributes.

    Nothing outside of the file is read on its behalf: soft links are followed here, and inside of it only;
    external links, external storage and virtual datasets are refused by name.
    """

    def __init__(self, h5py: Any, path: Path, handle: Any, size: int) -> None:
        self.path = path
        self._h5py, self._handle, self._size = h5py, handle, size
        with guarded(path, "readable names of its columns"):
            self.names = tuple(_text(name) for name in handle)

    def column(self, name: str) -> StoredColumn:
        """Return a column by name, or say what else has that name."""
        h5py, label = self._h5py, shown(name)
        place = self._place(name)
        with guarded(self.path, f"a readable dataset `{label}`"):
            opened = h5py.h5o.open(self._handle.id, place)
        if not isinstance(opened, h5py.h5d.DatasetID):
            raise DataError(
                rule(self.path, "a dataset for every column"),
                f"`{label}` is a {'group' if isinstance(opened, h5py.h5g.GroupID) else 'named type'}",
                "Put every column at the top of the file",
            )
        return StoredColumn(h5py, self.path, name, opened, self._size)

    def members(self, name: str) -> tuple[str, ...] | None:
        """Return what a group holds, the top of the file for "", or None if it is no group."""
        place = self._place(name)
        with guarded(self.path, f"a readable group `{shown(name)}`"):
            opened = self._h5py.h5o.open(self._handle.id, place)
            is_group = isinstance(opened, self._h5py.h5g.GroupID)
            return tuple(_text(member) for member in self._h5py.Group(opened)) if is_group else None

    def attribute(self, name: str) -> str | int | float | None:
        """Return an attribute of the file that is a text or a number, or None if there is none."""
        need = f"one text or one number in its attribute `{name}`"
        with guarded(self.path, f"a readable attribute `{name}`"):
            if not self._h5py.h5a.exists(self._handle.id, name.encode()):
                return None
            opened = self._h5py.h5a.open(self._handle.id, name.encode())
            kind, shape, size = opened.get_type(), opened.shape, opened.get_storage_size()
            h5t = self._h5py.h5t
            readable = kind.get_class() in (h5t.STRING, h5t.INTEGER, h5t.FLOAT)
            if shape != () or not readable or size > MOST_ATTRIBUTE_BYTES:
                got = f"it has shape {shape}, {size} bytes and HDF5's type class {kind.get_class()}"
                raise DataError(rule(self.path, need), got, "Write it again, or delete it")
            is_text = kind.get_class() == h5t.STRING
            value = self._text(name) if is_text and kind.is_variable_str() else self._handle.attrs[name]
        plain = value.item() if hasattr(value, "item") else value
        if isinstance(plain, bytes):
            plain = plain.decode("utf-8", "replace")
        if not isinstance(plain, str | int | float) or isinstance(plain, bool):
            raise DataError(rule(self.path, need), f"it is {describe(value)}", "Write it again, or delete it")
        return plain

    def _text(self, name: str) -> Any:
        """Read a text of variable length. libhdf5 hangs on some damaged ones, so it is the last to try."""
        settings = self._handle.id.get_create_plist()
        if settings.get_sizes() == (8, 8):
            root = self._h5py.h5o.get_info(self._handle.id).addr
            with self.path.open("rb") as stream:
                text = variable_text(stream, root, settings.get_userblock(), name.encode())
            if text is not None:
                return text
        return self._handle.attrs[name]

    def _place(self, name: str) -> bytes:
        """Return where a name leads, by hard links only."""
        need = f"`{shown(name)}` itself, or a link to it inside the file"
        at: list[bytes] = []
        todo = _parts(name.encode("utf-8", "surrogateescape"))
        for _ in range(_MAX_LINKS):
            if not todo:
                return b"/" + b"/".join(at)
            part = todo.pop()
            with guarded(self.path, f"a readable link `{shown(name)}`"):
                kind, target = self._link(b"/" + b"/".join(at), part)
            if kind == "hard":
                at.append(part)
            elif kind == "soft":
                at = [] if target.startswith(b"/") else at
                todo += _parts(target)
            else:
                raise DataError(rule(self.path, need), f"it {kind} {shown(target)}".rstrip(), _COPY)
        raise DataError(rule(self.path, need), "its links lead round in a circle", _COPY)

    def _link(self, group: bytes, part: bytes) -> tuple[str, bytes]:
        """Return what one link is, and where it points to unless it is a hard one."""
        h5l = self._h5py.h5l
        holder = self._h5py.h5o.open(self._handle.id, group)  # its links are valid while it lives
        links = getattr(holder, "links", None)  # a dataset has none
        if links is None or not links.exists(part):
            return "leads nowhere: there is no", part
        kind = links.get_info(part).type
        if kind == h5l.TYPE_HARD:
            return "hard", b""
        if kind == h5l.TYPE_SOFT:
            return "soft", links.get_val(part)
        if kind == h5l.TYPE_EXTERNAL:
            return "is an external link to", b":".join(links.get_val(part))
        return "is a link of a kind that only its writer knows", b""


def _text(name: str | bytes) -> str:
    """Return a name as text; h5py gives names that are no UTF-8 as bytes."""
    return name if isinstance(name, str) else name.decode("utf-8", "surrogateescape")


def _parts(path: bytes) -> list[bytes]:
    return [part for part in reversed(path.split(b"/")) if part not in (b"", b".")]


@contextmanager
def opened(path: str | os.PathLike[str], *, owner: str) -> Iterator[DataFile]:
    """Open a file for reading, and see at the end that nobody wrote to it meanwhile."""
    h5py = require("h5py", extra="train", purpose=owner)
    source = path_of(owner, path)
    before = _regular(source)
    try:
        handle = h5py.File(source, "r")
    except Exception as error:
        raise _not_opened(source, before.st_size, told(error)) from error
    try:
        yield DataFile(h5py, source, handle, before.st_size)
    finally:
        with suppress(Exception):  # a damaged file may not close, and was only read
            handle.close()
    after = _regular(source)
    if any(getattr(before, field) != getattr(after, field) for field in ("st_size", "st_mtime_ns", "st_ino")):
        raise DataError(
            rule(source, "to stay as it is while it is read"),
            "it was written to meanwhile",
            "Read it again when its writer is done",
        )


def _regular(path: Path) -> os.stat_result:
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(rule(path, "to exist"), "there is no such file", "Check the path") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise DataError(rule(path, "to exist"), f"looking for it failed ({why})", "Check the path") from error
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise DataError(rule(path, "to be a regular file"), f"it is {kind}", "Pass the path of an HDF5 file")
    return status


def _not_opened(path: Path, size: int, why: str) -> DataError:
    if any(words in why for words in _BUSY):
        return DataError(
            rule(path, "to be closed by the program that writes it"),
            f"opening it failed ({why})",
            "Close it there, or wait; `h5clear -s` unlocks one whose writer was killed",
        )
    return DataError(
        rule(path, "to be a complete HDF5 file"),
        f"opening it failed ({why})" if size else "it is empty",
        f"It may be truncated, still packed (.zst) or of another kind. {REPAIR}",
    )
