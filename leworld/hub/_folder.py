"""Writing a checkpoint folder in one step: beside its place, to disk, then renamed into it."""

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .._files import flush
from ..errors import CheckpointError
from ._json import read_json
from ._schema import CARD_FILE, CONFIG_FILE, WEIGHTS_FILE

_OURS = frozenset({CONFIG_FILE, WEIGHTS_FILE, CARD_FILE, "weights.pt"})


@contextmanager
def replaced_folder(folder: Path, *, known: Callable[[Path], bool] = lambda folder: False) -> Iterator[Path]:
    """Yield a new folder to write into, and put it in the place of `folder` when the block ends well.

    The new folder lies beside `folder`, so the last step is a rename. When the block fails it is removed and
    `folder` stays as it was. An existing `folder` is replaced only when it is empty or a checkpoint of
    leworld with nothing else in it; a killed process can leave hidden `.NAME.*.partial` folders behind, which
    nothing reads.

    Args:
        folder: The place.
        known: Says of an existing folder whether it may be replaced besides.

    Raises:
        CheckpointError: if `folder` holds something else, or the disk refuses.
    """
    folder = Path(os.path.realpath(folder))
    if not (folder.is_dir() and known(folder)):
        check_replaceable(folder)
    mark = secrets.token_hex(4)
    fresh = folder.with_name(f".{folder.name}.{mark}.partial")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh.mkdir()
        yield fresh
        for file in fresh.iterdir():
            flush(file)
        flush(fresh)
        _swap(fresh, folder, aside=folder.with_name(f".{folder.name}.{mark}.old"))
        flush(folder.parent)
    except OSError as error:
        raise CheckpointError(
            f"leworld.save needs to write {folder}",
            f"that failed ({error.strerror or error})",
            "Choose a folder that you may write to, on a disk with room",
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def check_replaceable(folder: Path) -> None:
    """Raise `CheckpointError` if `folder` exists and holds anything but a checkpoint of leworld."""
    rule = "leworld.save needs a new or empty folder, or one that holds a leworld checkpoint only"
    fix = "Choose another folder, or empty this one yourself"
    if not folder.exists():
        return
    if not folder.is_dir():
        raise CheckpointError(rule, f"{folder} is a file", fix)
    names = {entry.name for entry in folder.iterdir()}
    strangers = sorted(names - _OURS)
    if strangers:
        raise CheckpointError(rule, f"{folder} holds `{strangers[0]}`", fix)
    if names and not _is_checkpoint(folder):
        raise CheckpointError(rule, f"{folder} holds {', '.join(f'`{name}`' for name in sorted(names))}", fix)


def _is_checkpoint(folder: Path) -> bool:
    try:
        fields = read_json(folder / CONFIG_FILE).keys()
    except CheckpointError:
        return False
    return {"schema_version", "architecture"} <= fields or {"_target_", "encoder", "predictor"} <= fields


def _swap(fresh: Path, folder: Path, *, aside: Path) -> None:
    if not folder.exists():
        fresh.rename(folder)
        return
    folder.rename(aside)
    try:
        fresh.rename(folder)
    except OSError:
        aside.rename(folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)
