"""One run of Lightning's trainer as every recipe here makes it: logged, saved, resumable, quiet."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch

from .._checks import require
from .._random import usual_defaults
from ._settings import TrainSettings

require("lightning.pytorch", extra="train", purpose="leworld.training")
from lightning.pytorch import Callback, LightningModule, Trainer  # noqa: E402 -- after the check
from lightning.pytorch.loggers import Logger, TensorBoardLogger  # noqa: E402

from ._progress import StepBar  # noqa: E402
from ._state import STATE_FILE, AtomicCheckpointIO, SaveState, find_state  # noqa: E402


class ResumableModule(LightningModule):
    """A LightningModule that `fit` can train and resume.

    Its loader begins at `first_step`, which `fit` sets.
    """

    settings: TrainSettings
    first_step: int = 0


def fit(
    module: ResumableModule,
    folder: Path,
    *,
    identity: dict[str, Any],
    loggers: Callable[[int], list[Logger]],
    resume: bool,
    progress: bool,
    accelerator: str = "auto",
    devices: int = 1,
    strategy: str = "auto",
) -> None:
    """Train `module` to the end of its settings, or go on from the state in `folder`, or load a finished run.

    Args:
        module: Trained in place.
        folder: Where logs and state go; made if missing.
        identity: Says in plain data what the run is; a state of another one is refused.
        loggers: Makes the loggers, given the step at which they begin.
        resume: Whether to look for a state; False deletes it.
        progress: Whether to show a progress bar.
        accelerator: Lightning's name of the device.
        devices: How many of them.
        strategy: Lightning's name of how they work together.
    """
    settings = module.settings
    state = find_state(folder, identity) if resume else None
    folder.mkdir(parents=True, exist_ok=True)
    if state is None:
        (folder / STATE_FILE).unlink(missing_ok=True)
    module.train()
    if state is not None:
        module.first_step = int(state["global_step"])
        if module.first_step >= settings.num_steps:
            module.load_state_dict(state["state_dict"])
            return
    callbacks: list[Callback] = [SaveState(folder, every=settings.save_every, identity=identity)]
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
            logger=loggers(module.first_step),
            callbacks=callbacks,
            plugins=[AtomicCheckpointIO()],
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=progress,
            use_distributed_sampler=False,
            deterministic="warn",
            default_root_dir=folder,
        )
        # Lightning keeps tensors of its own on torch's default device, and moves them to the trainer's
        foreign = torch.get_default_device().type not in ("cpu", trainer.strategy.root_device.type)
        with usual_defaults() if foreign else nullcontext():
            trainer.fit(module, ckpt_path=None if state is None else folder / STATE_FILE)


def tensorboard(folder: Path) -> TensorBoardLogger:
    """Return a logger into `folder/tensorboard`."""
    require("tensorboard", extra="train", purpose="TensorBoard logging")
    return TensorBoardLogger(save_dir=folder, name="", version="tensorboard", default_hp_metric=False)


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
