"""What can be known about a run's folder before its work begins, and what a failed write is told as."""

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import PathLike, fspath
from pathlib import Path

from torch import nn

from .._checks import describe
from .._files import local_path
from ..errors import CheckpointError, ConfigError
from ._loading import worker_is_gone

_ROOM = "Free some room, or choose another folder"
_LEFTOVER = re.compile(
    r"state\.ckpt(\.[0-9a-f]{8})?\.unfinished"
    r"|\.(metrics|events\.out\.tfevents)-[0-9a-f]{8}\.(csv|leworld)"
    r"|\.(model|inverse)\.[0-9a-f]{8}\.partial"
    r"|\.leworld-[a-z0-9_]{8}\.partial"
)


@contextmanager
def written(path: Path) -> Iterator[None]:
    """Turn the operating system's refusal to write `path` into an error that says what is left."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # torch's writer raises the latter
        causes = (error, error.__cause__, error.__context__)
        cause = next((one for one in causes if isinstance(one, OSError)), None)
        if cause is None and (isinstance(error, CheckpointError) or worker_is_gone(error)):
            raise
        told = getattr(cause, "strerror", None) or str(error).splitlines()[0][:200]
        raise CheckpointError(
            f"Training needs to write {path}",
            f"that failed ({told})",
            "Free some room on the disk or mend the folder, and make the same call again: it goes on from "
            "the last state, which is whole",
        ) from error


def run_folder(folder: object, *, owner: str) -> Path:
    """Return the folder of a run as an absolute path, `~` expanded."""
    if not isinstance(folder, str | PathLike) or not isinstance(fspath(folder), str) or not fspath(folder):
        raise ConfigError(
            f"{owner} needs `folder` to be a path",
            f"it is {describe(folder)}",
            "Pass for example `runs/mine`",
        )
    return local_path(folder)


def check_places(folder: Path, *, files: Sequence[str], folders: Sequence[str], owner: str) -> None:
    """Raise `CheckpointError` if something else stands where the run will write."""
    for names, is_right, kind in ((files, Path.is_file, "plain file"), (folders, Path.is_dir, "folder")):
        for name in names:
            place = folder / name
            if (place.exists() or place.is_symlink()) and not is_right(place):
                raise CheckpointError(
                    f"{owner} needs {place} to be a {kind}, or nothing yet",
                    "something else is there",
                    "Choose another folder, or move that out of the way",
                )


def check_room(folder: Path, module: nn.Module, *, owner: str) -> None:
    """Raise `CheckpointError` unless the disk has room for two states, one written beside the other."""
    weights = sum(value.nbytes for value in (*module.parameters(), *module.buffers()))
    moments = sum(2 * value.nbytes for value in module.parameters() if value.requires_grad)
    due = 2 * (weights + moments)
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return  # cannot be known
    if free < due:
        raise CheckpointError(
            f"{owner} needs about {due / 1e6:.0f} MB in {folder} for its state, which is replaced by a whole "
            "new one",
            f"{free / 1e6:.0f} MB are free",
            _ROOM,
        )


def remove_leftovers(folder: Path) -> None:
    """Delete what killed processes left half written; only for who holds the folder's lock."""
    for place in (folder, folder / "tensorboard"):
        for entry in place.iterdir() if place.is_dir() else ():
            if not _LEFTOVER.fullmatch(entry.name):
                continue
            with written(entry):
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                else:
                    entry.unlink()
