"""One run of Lightning's trainer as every recipe here makes it: logged, saved, resumable, quiet."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch

from .._checks import require
from .._random import usual_defaults
from ..errors import CheckpointError, ConfigError
from ._identity import IDENTITY_VERSION, forget_start, module_identity, remember_start
from ._log import Row, RunLog
from ._modes import set_training_modes
from ._settings import TrainSettings
from ._writes import check_room, written

require("lightning.pytorch", extra="train", purpose="leworld.training")
from lightning.pytorch import Callback, LightningModule, Trainer  # noqa: E402 -- after the check

from ._progress import StepBar  # noqa: E402
from ._reserve import STATE_FILE, first_process  # noqa: E402
from ._state import AtomicCheckpointIO, KeepRun, find_state, place_of_work  # noqa: E402


class ResumableModule(LightningModule):
    """A LightningModule that `fit` can train and resume.

    Its loader begins at `first_step`, which `fit` sets. Its `training_step` sets `row` to the numbers worth
    logging of that step, or None. `trained` is the part that learns.
    """

    settings: TrainSettings
    first_step: int = 0
    row: Row | None = None

    @property
    def trained(self) -> torch.nn.Module:
        """The part whose weights change."""
        raise NotImplementedError


def fit(
    module: ResumableModule,
    folder: Path,
    *,
    identity: Mapping[str, Any],
    log: RunLog,
    owner: str,
    resume: bool,
    progress: bool,
    accelerator: str = "auto",
    devices: int = 1,
    strategy: str = "auto",
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
        accelerator: Lightning's name of the device.
        devices: How many of them.
        strategy: Lightning's name of how they work together.

    Returns:
        All that decides the result.
    """
    settings, first = module.settings, first_process()
    check_trainable(module.trained, owner=owner)
    identity = {
        "version": IDENTITY_VERSION,
        "settings": settings.to_json(),
        "devices": devices,
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
        if module.first_step >= settings.num_steps:
            _take_over(module, state, folder)
            remember_start(module.trained, identity)
            return identity
    callbacks: list[Callback] = [KeepRun(folder, log, every=settings.save_every, identity=identity)]
    if progress:
        callbacks.append(StepBar())
    with _quiet_and_deterministic():
        trainer = Trainer(
            accelerator=accelerator,
            devices=devices,
            strategy=strategy,
            precision=settings.precision,
            max_steps=settings.num_steps,
            max_epochs=1,
            gradient_clip_val=settings.optimizer.gradient_clip,
            log_every_n_steps=settings.log_every,
            logger=False,
            callbacks=callbacks,
            plugins=[AtomicCheckpointIO()],
            enable_checkpointing=False,
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
