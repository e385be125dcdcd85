"""The resumable state of a run on disk: written whole or not at all, and read without running any code."""

import json
import os
import platform
import secrets
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, final

import lightning
import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.utilities.exceptions import SIGTERMException

from .. import __version__
from .._files import write_atomically
from ..errors import CheckpointError
from ._identity import check_same
from ._log import RunLog
from ._reserve import STATE_FILE, first_process
from ._writes import written

_KINDS = {"global_step": int, "state_dict": dict, "leworld_rows": list, "leworld_run": str, "loops": dict}


@final
class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the target, flushes and renames, so that a cut-off write leaves the old file."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any | None = None
    ) -> None:
        """Write `checkpoint` to `path` in one step."""

        def write(place: Path) -> None:
            with place.open("wb") as file:
                torch.save(checkpoint, file)

        target = Path(path)
        ours = target.name.startswith(STATE_FILE)
        with written(target.with_name(STATE_FILE) if ours else target):
            if target.name != STATE_FILE:  # one that is not kept, or a callback's
                target.parent.mkdir(parents=True, exist_ok=True)
                write(target)
                return
            write_atomically(target, write, temporary_name=_temporary_name())

    def load_checkpoint(
        self,
        path: str | os.PathLike[str],
        map_location: Callable[..., Any] | torch.device | str | None = "cpu",
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        """Read `path`; only tensors and plain data, whatever `weights_only` says."""
        return read_state(Path(path), map_location=map_location)


@final
class KeepRun(Callback):
    """Logs the rows of a run, and saves its state every so many steps and after the last one.

    A row is in the log before the state that has it is written, and the state has all rows so far. Before the
    first step one state is written and read back, so that what no file can hold is found out there.
    """

    def __init__(self, folder: Path, log: RunLog, *, every: int, identity: Mapping[str, Any]) -> None:
        self.path = folder / STATE_FILE
        self.run_log = log
        self.every = every
        self.identity = identity
        self.saved = -1  # step of the last state that was written

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write a state that is not kept."""
        self.saved = trainer.global_step if self.path.exists() else -1
        place = self.path.with_name(_temporary_name())
        try:
            trainer.save_checkpoint(place)
            if trainer.is_global_zero:
                read_state(place)
        finally:
            if trainer.is_global_zero:
                place.unlink(missing_ok=True)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log the step's row, if it has one, and save after every `every`-th optimizer step."""
        row = getattr(pl_module, "row", None)
        if row is not None and trainer.is_global_zero:
            self.run_log.add({"step": trainer.global_step, **row})
        last = trainer.global_step == trainer.max_steps or trainer.should_stop
        if trainer.global_step % self.every == 0 or last:
            self._save(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Save at the step that SIGTERM ended; what ends the run within a step leaves the last state."""
        if isinstance(exception, SIGTERMException) and trainer.global_step != self.saved:
            self._save(trainer)

    def ended(self, *, by_sigterm: bool) -> SystemExit | KeyboardInterrupt:
        """Say on stderr how the run goes on, and return what ends the program as its signal would have."""
        if first_process():
            name = "SIGTERM" if by_sigterm else "an interruption"
            kept = f"{self.path} has its step {self.saved}" if self.path.exists() else "It has saved no state"
            again = "the same call goes on from there" if self.path.exists() else "the same call begins anew"
            sys.stderr.write(f"\nTraining was ended by {name}. {kept}: {again}.\n")
        return SystemExit(128 + signal.SIGTERM) if by_sigterm else KeyboardInterrupt()

    def _save(self, trainer: Trainer) -> None:
        trainer.save_checkpoint(self.path)
        self.saved = trainer.global_step

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add what the run is, where it runs, and its rows."""
        checkpoint["leworld_run"] = json.dumps(self.identity, sort_keys=True)
        checkpoint["leworld_finished"] = bool(getattr(pl_module, "finished", False))
        checkpoint["leworld_rows"] = [dict(row) for row in self.run_log.rows]
        checkpoint["leworld_place"] = place_of_work(pl_module.device)


def _temporary_name() -> str:
    return f"{STATE_FILE}.{secrets.token_hex(4)}.unfinished"


def place_of_work(device: torch.device) -> dict[str, str]:
    """Say what, besides the run itself, the last bits of a result depend on."""
    return {
        "leworld": __version__,
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "lightning": lightning.__version__,
        "machine": f"{platform.system()} {platform.machine()}",
        "device": device.type,
        "matrix precision": torch.get_float32_matmul_precision(),
        "CPU instructions": torch.backends.cpu.get_cpu_capability(),
    }


def read_state(path: Path, *, map_location: Any = "cpu") -> dict[str, Any]:
    """Read a state file, or say why not."""
    try:
        state = torch.load(path, map_location=map_location, weights_only=True)
        if not isinstance(state, dict):
            raise TypeError(f"it holds a {type(state).__name__}")
        return state
    except Exception as error:
        text = (str(error).splitlines() or [""])[0]
        raise _no_state(path, f"reading {path} failed ({type(error).__name__}: {text[:200]})") from error


def find_state(folder: Path, identity: Mapping[str, Any], *, owner: str) -> dict[str, Any] | None:
    """Return the state to resume from, or None; raise if it belongs to another run."""
    path = folder / STATE_FILE
    if not path.exists():
        return None
    state = read_state(path)
    try:
        known = json.loads(state.get("leworld_run", "{}"))
    except (TypeError, ValueError) as error:
        raise _no_state(path, f"it does not say which run it is of ({error})") from error
    if not isinstance(known, dict):
        raise _no_state(path, "it does not say which run it is of")
    check_same(json.loads(json.dumps(identity)), known, owner=owner, where=folder)
    for name, kind in _KINDS.items():
        if not isinstance(state.get(name), kind):
            raise _no_state(path, f"its `{name}` is no {kind.__name__}")
    for row in state["leworld_rows"]:
        numbers = isinstance(row, dict) and all(isinstance(value, int | float) for value in row.values())
        if not numbers or "step" not in row:
            raise _no_state(path, "its `leworld_rows` are no rows of numbers")
    return state


def _no_state(path: Path, got: str) -> CheckpointError:
    return CheckpointError(
        f"Resuming needs `{path.name}` to be a checkpoint that leworld.training wrote",
        got,
        "Delete that file to start over, or pass `resume=False`",
    )
