"""Where a command writes: proven before the work, and what is there is kept unless told otherwise."""

import contextlib
import tempfile
from collections.abc import Iterable
from pathlib import Path

from .._files import local_path
from ..errors import ConfigError

_ASK = "Pass --overwrite to replace it, or another --out"


def check_files(folder: Path, names: Iterable[str], *, overwrite: bool) -> None:
    """Raise unless files of these names can be written into `folder`, which may be missing.

    Raises:
        ConfigError: One is there already and may not be replaced, or is no file, or the folder cannot be
            made or written to.
    """
    places = [folder / name for name in names]
    prove_writable(folder, place=places[0] if len(places) == 1 else None)
    for place in places:
        if place.exists() and not place.is_file():
            raise ConfigError("--out needs room for a file", f"{place} is something else", "Choose another")
        if place.exists() and not overwrite:
            raise ConfigError(
                "--out needs a place without an earlier result, unless it is told to overwrite",
                f"{place} is there",
                _ASK,
            )


def check_checkpoint(folder: Path, *, overwrite: bool) -> None:
    """Raise unless a checkpoint can be written to `folder`, by the rules of `leworld.save`."""
    from .._folder import check_replaceable

    prove_beside(folder)
    check_replaceable(local_path(folder), overwrite=overwrite)


def prove_beside(folder: Path) -> None:
    """Raise unless something can be written beside `folder`, where what replaces it is made."""
    prove_writable(local_path(folder).parent, place=folder)


def prove_writable(folder: Path, *, place: Path | None = None) -> None:
    """Write something into `folder` and take it away again, with the folders that were made for it.

    Args:
        folder: The folder.
        place: What the user named, where that is something in the folder.

    Raises:
        ConfigError: That failed.
    """
    missing = []
    try:
        missing = [one for one in (folder, *folder.parents) if not one.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"0" * 4096)
    except OSError as error:
        raise ConfigError(
            "This command needs a place that it can write to",
            f"writing to {place or folder} failed ({error.strerror})",
            "Choose another, on a disk with room",
        ) from error
    finally:
        for one in missing:
            with contextlib.suppress(OSError):  # it was not made, or another process has put something there
                one.rmdir()
