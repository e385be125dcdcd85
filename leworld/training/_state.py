"""The resumable state of a run on disk: written whole or not at all, and read without running any code."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.plugins.io import TorchCheckpointIO

from .._files import write_atomically
from ..errors import CheckpointError, ConfigError

STATE_FILE = "state.ckpt"


@final
class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the target, flushes and renames, so that a cut-off write leaves the old file."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any | None = None
    ) -> None:
        """Write `checkpoint` to `path` in one step."""
        write_atomically(
            path,
            lambda temporary: torch.save(checkpoint, temporary),
            temporary_name=Path(path).name + ".unfinished",
        )

    def load_checkpoint(
        self,
        path: str | os.PathLike[str],
        map_location: Callable[..., Any] | torch.device | str | None = "cpu",
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        """Read `path`; only tensors and plain data, whatever `weights_only` says."""
        return read_state(Path(path), map_location=map_location)


@final
class SaveState(Callback):
    """Saves the state every so many steps and after the last one, with the run's settings beside it."""

    def __init__(self, folder: Path, *, every: int, identity: dict[str, Any]) -> None:
        self.path = folder / STATE_FILE
        self.every = every
        self.identity = identity

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save after every `every`-th optimizer step."""
        if trainer.global_step % self.every == 0 or trainer.global_step == trainer.max_steps:
            trainer.save_checkpoint(self.path)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add what the run is."""
        checkpoint["leworld_run"] = json.dumps(self.identity, sort_keys=True)


def read_state(path: Path, *, map_location: Any = "cpu") -> dict[str, Any]:
    """Read a state file, or say why not."""
    try:
        return torch.load(path, map_location=map_location, weights_only=True)
    except Exception as error:
        raise CheckpointError(
            f"Resuming needs `{path.name}` to be a checkpoint that leworld.training wrote",
            f"reading {path} failed ({type(error).__name__}: {str(error).splitlines()[0][:200]})",
            "Delete that file to start over, or pass `resume=False`",
        ) from error


def find_state(folder: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """Return the state to resume from, or None; raise if it belongs to another run."""
    path = folder / STATE_FILE
    if not path.exists():
        return None
    state = read_state(path)
    written = json.loads(state.get("leworld_run", "{}"))
    due = json.loads(json.dumps(identity))
    differing = sorted(key for key in due.keys() | written.keys() if due.get(key) != written.get(key))
    if differing:
        key = differing[0]
        raise ConfigError(
            f"train resumes the run in {folder} only with the settings, model and data that it began with",
            f"`{key}` is {due.get(key)} and was {written.get(key)}",
            "Use another folder, or pass `resume=False` to start over",
        )
    return state
