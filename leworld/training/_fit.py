"""One run of Lightning's trainer as every recipe here makes it: logged, saved, resumable, quiet."""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch.utils.data import Dataset

from .._checks import require
from .._random import usual_defaults
from ..data import RawBatch
from ..errors import CheckpointError, ConfigError
from ._devices import Devices
from ._identity import IDENTITY_VERSION, forget_start, module_identity, remember_start
from ._loading import StepLoader, worker_error, worker_is_gone
from ._log import Row, RunLog
from ._modes import set_training_modes
from ._settings import TrainSettings
from ._writes import check_room, written

require("lightning.pytorch", extra="train", purpose="leworld.training")
from lightning.pytorch import Callback, LightningModule, Trainer  # noqa: E402 -- after the check
from lightning.pytorch.callbacks import Checkpoint  # noqa: E402
from lightning.pytorch.loggers import Logger  # noqa: E402
from lightning.pytorch.utilities.exceptions import SIGTERMException  # noqa: E402

from ._progress import StepBar  # noqa: E402
from ._reserve import STATE_FILE, first_process  # noqa: E402
from ._state import AtomicCheckpointIO, KeepRun, find_state, place_of_work  # noqa: E402

T = TypeVar("T")


class ResumableModule(LightningModule):
    """A LightningModule that `fit` can train and resume.

    Its loader begins at `first_step`, which `fit` sets. Its `training_step` sets `row` to the numbers worth
    logging of that step, or None. `trained` is the part that learns. `finished` says that the run is over
    before its last step.
    """

    settings: TrainSettings
    first_step: int = 0
    row: Row | None = None
    finished: bool = False

    @property
    def trained(self) -> torch.nn.Module:
        """The part whose weights change."""
        raise NotImplementedError

    def loader(self, stream: Dataset[T]) -> StepLoader[T]:
        """Return the loader of a stream from `first_step` on, as the settings and the device ask."""
        settings = self.settings
        return StepLoader(
            stream,
            settings.num_steps,
            first=self.first_step,
            num_workers=settings.num_workers,
            pin_memory=self.trainer.strategy.root_device.type == "cuda",
        )

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Move raw windows as they are, uint8, without waiting where memory is page-locked."""
        if isinstance(batch, RawBatch):
            return batch.to(device, non_blocking=device.type == "cuda")
        return super().transfer_batch_to_device(batch, device, dataloader_idx)


def fit(
    module: ResumableModule,
    folder: Path,
    *,
    identity: Mapping[str, Any],
    log: RunLog,
    owner: str,
    resume: bool,
    progress: bool,
    devices: Devices,
    callbacks: Sequence[Callback] = (),
    loggers: Sequence[Logger] = (),
) -> dict[str, Any]:
    """Train `module` to the end of its settings, or go on from the state in `folder`, or load a finished run.

    The caller holds the folder, see `reserve_folder`, and the modes of parts in use, see `modes_on_failure`.

    Args:
        module: Trained in place.
        folder: Where logs and state go.
        identity: Says in plain data what decides the result, besides settings, devices and the module; a
            state of another run is refused.
        log: Takes the rows.
        owner: Who asks, for messages.
        resume: Whether to look for a state; False deletes it.
        progress: Whether to show a progress bar.
        devices: What it is computed on.
        callbacks: Called before the state is saved, so that what they remember is in it.
        loggers: Lightning's, which get the same numbers as the log.

    Returns:
        All that decides the result.
    """
    settings, first = module.settings, first_process()
    check_trainable(module.trained, owner=owner)
    identity = {
        "version": IDENTITY_VERSION,
        "settings": settings.to_json(),
        "devices": devices.total,
        "callbacks": [callback.state_key for callback in callbacks],
        **identity,
        **module_identity(module.trained),
    }
    state = find_state(folder, identity, owner=owner) if resume else None
    if state is None and forget_start(module.trained):
        identity |= module_identity(module.trained)
    if first:
        check_room(folder, module, owner=owner)
        if state is None:
            with written(folder / STATE_FILE):
                (folder / STATE_FILE).unlink(missing_ok=True)
        log.restore([] if state is None else state["leworld_rows"])
    set_training_modes(module)
    if state is not None:
        module.first_step = int(state["global_step"])
        if module.first_step >= settings.num_steps or state.get("leworld_finished"):
            _take_over(module, state, folder)
            remember_start(module.trained, identity)
            return identity
    keep = KeepRun(folder, log, every=settings.save_every, identity=identity)
    hooks = [*callbacks, keep, *([StepBar()] if progress else [])]
    with _quiet_and_deterministic():
        trainer = Trainer(
            accelerator=devices.accelerator,
            devices=devices.count,
            num_nodes=devices.nodes,
            strategy=devices.strategy,
            precision=settings.precision,
            max_steps=settings.num_steps,
            max_epochs=1,
            gradient_clip_val=settings.optimizer.gradient_clip,
            log_every_n_steps=settings.log_every,
            logger=list(loggers) or False,
            callbacks=hooks,
            plugins=[AtomicCheckpointIO()],
            enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks),
            enable_model_summary=False,
            enable_progress_bar=progress,
            use_distributed_sampler=False,
            deterministic="warn",
            default_root_dir=folder,
        )
        if state is not None:
            _warn_of_another_place(state, trainer)
        # Lightning keeps tensors of its own on torch's default device, and moves them to the trainer's
        foreign = torch.get_default_device().type not in ("cpu", trainer.strategy.root_device.type)
        try:
            with usual_defaults() if foreign else nullcontext():
                trainer.fit(module, ckpt_path=None if state is None else folder / STATE_FILE)
        except RuntimeError as error:
            if not worker_is_gone(error):
                raise
            if trainer.received_sigterm:  # which its worker processes have got as well
                raise keep.ended(by_sigterm=True) from error
            raise worker_error(error, settings.num_workers) from error
        except SystemExit as error:  # Lightning's, without a code or with 1
            interrupted = isinstance(error.__context__, KeyboardInterrupt)
            if not (interrupted or isinstance(error, SIGTERMException)):
                raise
            raise keep.ended(by_sigterm=not interrupted) from error
        finally:
            remember_start(module.trained, identity)
    return identity


def check_trainable(module: torch.nn.Module, *, owner: str) -> None:
    """Raise `ConfigError` unless some weight can change."""
    if any(tensor.is_inference() for tensor in (*module.parameters(), *module.buffers())):
        raise ConfigError(
            f"{owner} needs normal tensors to train",
            "the model was built under `torch.inference_mode`",
            "Build it outside, or under `torch.no_grad`",
        )
    if not any(parameter.requires_grad for parameter in module.parameters()):
        raise ConfigError(
            f"{owner} needs at least one parameter to train",
            "there is none that requires a gradient",
            "Set `requires_grad_(True)` on the parts that shall learn",
        )


def _take_over(module: ResumableModule, state: Mapping[str, Any], folder: Path) -> None:
    try:
        module.load_state_dict(state["state_dict"])
    except (RuntimeError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"Resuming needs the weights in {folder / STATE_FILE} to be those of the model",
            f"reading them failed ({str(error).splitlines()[0][:200]})",
            "Delete that file to start over, or pass `resume=False`",
        ) from error


def _warn_of_another_place(state: Mapping[str, Any], trainer: Trainer) -> None:
    """Warn where the rest of a run may round differently than its beginning."""
    here, there = place_of_work(trainer.strategy.root_device), state.get("leworld_place")
    there = there if isinstance(there, dict) else {}
    differing = [name for name in here if here[name] != there.get(name)]
    changed = [f"{name} {here[name]} (was {there.get(name)})" for name in differing]
    if changed:
        warnings.warn(
            f"The run goes on with {', '.join(changed)}: its weights may differ in their last bits from "
            "those of an uninterrupted run.",
            stacklevel=4,
        )


@contextmanager
def _quiet_and_deterministic() -> Iterator[None]:
    """Keep Lightning's notices to itself and give torch's determinism switches back afterwards."""
    from lightning.fabric.utilities.warnings import PossibleUserWarning

    log = logging.getLogger("lightning.pytorch")
    level = log.level
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    log.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning, module=r"lightning\..*")
            warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"lightning\..*")
            warnings.filterwarnings("ignore", category=PossibleUserWarning)
            yield
    finally:
        log.setLevel(level)
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
