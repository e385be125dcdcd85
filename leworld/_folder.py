"""Folders that are written in one step: beside their place, to disk, then exchanged with what is there."""

import contextlib
import ctypes
import errno
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from ._checks import quoted
from ._files import flush
from ._json import read_json
from .errors import CheckpointError

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "README.md"

LITTER = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})  # what file managers leave in every folder
_OURS = frozenset({CONFIG_FILE, WEIGHTS_FILE, CARD_FILE, "weights.pt"})
_HERE, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE, which macOS calls RENAME_SWAP
_LONGEST = 255  # bytes of a name
_CANNOT = "Choose a folder that you may write to, on a disk with room"


@contextmanager
def replaced_folder(
    folder: Path, *, overwrite: bool, known: Callable[[Path], bool] = lambda folder: False
) -> Iterator[Path]:
    """Yield a new folder to write into, and put it in the place of `folder` when the block ends well.

    The new folder lies beside `folder`. The last step is a rename, or, where something stands in that place,
    an exchange of the two names in one call of the operating system: at every moment the whole old or the
    whole new folder is there (on systems without such a call, for an instant neither). When the block fails,
    `folder` stays as it was. A killed process can leave a hidden `.NAME.*.partial` folder, which nothing
    reads.

    Args:
        folder: The place.
        overwrite: Whether an earlier checkpoint, with nothing else in its folder, may be replaced.
        known: Says of an existing folder whether it counts as one besides.

    Raises:
        CheckpointError: if `folder` holds something that may not be replaced, or the disk refuses.
    """
    made: list[Path] = []
    folder = check_replaceable(folder, overwrite=overwrite, known=known)
    mark = f"{folder.name[:40]}.{secrets.token_hex(4)}"  # a name of 255 bytes leaves no room for more
    fresh = folder.with_name(f".{mark}.partial")
    is_done = False
    try:
        made = _make_parents(folder)
        fresh.mkdir()
        yield fresh
        for file in fresh.iterdir():
            flush(file)
        flush(fresh)
        _put(fresh, folder, aside=folder.with_name(f".{mark}.old"))
        is_done = True
        flush(folder.parent)
    except (OSError, SafetensorError) as error:
        told = getattr(error, "strerror", None) or error
        raise CheckpointError(f"Saving needs to write {folder}", f"that failed ({told})", _CANNOT) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        for parent in reversed(made if not is_done else []):
            with contextlib.suppress(OSError):  # somebody else has put something there meanwhile
                parent.rmdir()


def check_replaceable(
    folder: Path, *, overwrite: bool, known: Callable[[Path], bool] = lambda folder: False
) -> Path:
    """Return the place that `folder` means, after a check that it may be written to and replaced.

    Call it before the work whose result goes there. Arguments and errors are those of `replaced_folder`.
    """
    try:
        folder = Path(os.path.realpath(folder, strict=False))
        _check_content(folder, overwrite=overwrite, known=known)
        _check_writable(folder)
    except (OSError, ValueError) as error:  # a NUL in a name is a ValueError
        told = getattr(error, "strerror", None) or error
        raise CheckpointError(f"Saving needs to write {folder}", f"that fails ({told})", _CANNOT) from error
    return folder


def _check_writable(folder: Path) -> None:
    """Write into the nearest parent that exists: a file without a name, of which a kill leaves nothing."""
    parent = next(place for place in folder.parents if os.path.lexists(place))
    if not parent.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, f"{parent} is no folder")
    if len(os.fsencode(folder.name)) > _LONGEST:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    with tempfile.TemporaryFile(prefix=".leworld-", suffix=".partial", dir=parent):
        pass


def _make_parents(folder: Path) -> list[Path]:
    """Make the folders above `folder` that are missing, and return these, the highest first."""
    missing = [place for place in reversed(folder.parents) if not place.exists()]
    for place in missing:
        place.mkdir(exist_ok=True)
    return missing


def _check_content(folder: Path, *, overwrite: bool, known: Callable[[Path], bool]) -> None:
    rule = "Saving needs a new or empty folder, or one that holds a leworld checkpoint only"
    fix = "Choose another folder, or empty this one yourself"
    if not folder.exists():
        if os.path.lexists(folder):
            raise CheckpointError(rule, f"{folder} is a link that leads nowhere", "Remove the link")
        return
    if not folder.is_dir():
        raise CheckpointError(rule, f"{folder} is a file", fix)
    if os.path.ismount(folder):
        raise CheckpointError(
            rule, f"{folder} is the root of a disk, which no folder can take the place of", "Write below it"
        )
    names = {entry.name for entry in folder.iterdir()} - LITTER
    if not names:
        return
    if not known(folder):
        strangers = sorted(names - _OURS)
        if strangers:
            raise CheckpointError(rule, f"{folder} holds `{strangers[0]}`", fix)
        if not _is_checkpoint(folder):
            raise CheckpointError(rule, f"{folder} holds {quoted(sorted(names))}", fix)
    if not overwrite:
        raise CheckpointError(
            "Saving needs a new or empty folder, unless it is told to overwrite",
            f"{folder} holds an earlier one",
            "Choose another folder, or pass `overwrite=True` (`--overwrite` on the command line)",
        )


def _is_checkpoint(folder: Path) -> bool:
    try:
        fields = read_json(folder / CONFIG_FILE).keys()
    except CheckpointError:
        return False
    return {"schema_version", "architecture"} <= fields or {"_target_", "encoder", "predictor"} <= fields


def _put(fresh: Path, folder: Path, *, aside: Path) -> None:
    if not folder.exists():
        fresh.rename(folder)
    elif not _exchange(fresh, folder):
        folder.rename(aside)
        try:
            fresh.rename(folder)
        except OSError:
            aside.rename(folder)
            raise
        shutil.rmtree(aside, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step; False where the system or the file system cannot."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        call = libc.renameatx_np if sys.platform == "darwin" else libc.renameat2
    except (AttributeError, OSError, TypeError):
        return False
    here = -2 if sys.platform == "darwin" else _HERE
    return call(here, os.fsencode(one), here, os.fsencode(other), ctypes.c_uint(_EXCHANGE)) == 0
