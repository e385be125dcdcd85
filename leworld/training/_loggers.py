"""Where a run's numbers go, by name."""

import hashlib
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from lightning.pytorch.loggers import Logger

from .._checks import describe, quoted, require
from .._files import write_atomically
from ..errors import ConfigError
from ._log import RunLog
from ._reserve import first_process
from ._writes import written

Loggers: TypeAlias = str | Logger | Sequence[str | Logger]

_NAMES = ("csv", "tensorboard", "wandb")
_RUN_ID = "wandb_run_id.txt"


def checked_loggers(loggers: object, *, owner: str) -> tuple[str | Logger, ...]:
    """Return loggers as a tuple, each a known name that can be used or one of Lightning's."""
    entries: list[str | Logger] = []
    for entry in loggers if isinstance(loggers, Sequence) and not isinstance(loggers, str) else (loggers,):
        if isinstance(entry, Logger) or (isinstance(entry, str) and entry in _NAMES):
            entries.append(entry)
        else:
            raise ConfigError(
                f"{owner} needs `logger` to be of {quoted(_NAMES)}, or one of Lightning's loggers",
                f"it was given {describe(entry)}",
                'Pass for example ("csv", "wandb"), or an instance from `lightning.pytorch.loggers`',
            )
    if "wandb" in entries:
        require("wandb", extra="wandb", purpose='`logger="wandb"`')
    return tuple(entries)


def run_log(folder: Path, loggers: tuple[str | Logger, ...]) -> RunLog:
    """Return the log that leworld writes itself."""
    return RunLog(folder, table="csv" in loggers, events="tensorboard" in loggers)


def lightning_loggers(folder: Path, loggers: tuple[str | Logger, ...], *, goes_on: bool) -> list[Logger]:
    """Return the loggers that Lightning writes to; W&B goes on with its run where ours does."""
    found = [entry for entry in loggers if isinstance(entry, Logger)]
    if "wandb" in loggers:
        from lightning.pytorch.loggers import WandbLogger

        run = _run_id(folder, goes_on) if first_process() else None  # the other processes log nothing
        found.append(WandbLogger(name=folder.name, save_dir=folder, id=run, resume="allow"))
    return found


def _run_id(folder: Path, goes_on: bool) -> str:
    path = folder / _RUN_ID
    with written(path):
        if goes_on and path.exists():
            return path.read_text("utf-8").strip()
        new = hashlib.sha256(f"{folder} {secrets.token_hex(8)}".encode()).hexdigest()[:16]
        write_atomically(path, lambda place: place.write_text(new + "\n", "utf-8"))
        return new
