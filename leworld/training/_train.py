"""Training a world model, start to finish, resumable at any step."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from .._checks import describe, plain_numbers, require
from ..data import Episodes, Windows
from ..errors import CheckpointError, ConfigError
from ..models import WorldModel
from ..serialise import check_saveable
from ._batchnorm import reestimate_batchnorm
from ._devices import Devices, devices_of
from ._identity import remember_start, stamped, training_record, windows_identity
from ._modes import modes_on_failure
from ._settings import TrainSettings
from ._threads import cpu_threads

require("lightning.pytorch", extra="train", purpose="leworld.training")
from lightning.pytorch import Callback  # noqa: E402 -- after the check
from lightning.pytorch.loggers import Logger  # noqa: E402

from ._fit import fit  # noqa: E402
from ._held_out import HeldOut, Validation  # noqa: E402
from ._loggers import Loggers, checked_loggers, lightning_loggers, run_log  # noqa: E402
from ._module import TrainingModule  # noqa: E402
from ._reserve import STATE_FILE, reserve_folder  # noqa: E402
from ._world_model_module import WorldModelModule  # noqa: E402


@plain_numbers
@torch.inference_mode(False)
def train(
    model: WorldModel | TrainingModule,
    windows: Windows,
    *,
    folder: str | Path,
    settings: TrainSettings | None = None,
    resume: bool = True,
    progress: bool = True,
    devices: int | Devices = 1,
    held_out: Episodes | HeldOut | None = None,
    callbacks: Sequence[Callback] = (),
    logger: Loggers = ("csv", "tensorboard"),
) -> WorldModel:
    """Train `model` on `windows` with Lightning, resumable at any step, and leave it ready for use.

    Logs go into `folder/metrics.csv` and, for TensorBoard, `folder/tensorboard`; every `settings.save_every`
    steps the whole state, with all rows of the log, goes into `folder/state.ckpt`, in one step, so that no
    kill leaves half a file under that name. Called again with the same arguments, it goes on from there and
    ends with the weights and the log that it would have had, bit for bit on the same machine with as many
    threads; a finished run is loaded and not trained again. At the end BatchNorm statistics are measured
    anew, exactly, on `settings.batchnorm_windows` training windows.

    The state says what decides the result: every byte of the data that the model reads, the processor, the
    windows, the model's classes and settings, its initial weights and which of them are frozen, `settings`,
    the number of devices, `held_out`, and of `callbacks` the classes, or what their `state_key` says. A call
    that differs in any of it is refused, and told in what. The code of classes of your own is not looked at.
    After an interruption within one process the same model, as it was left, means the same run. Other
    versions of leworld, torch or numpy, or another kind of device, bring a warning: the last bits may differ.

    The model trains in training mode, also if it was loaded; parts that are in evaluation mode and all frozen
    stay in it. While it runs no other run can use the folder. The record of the training episodes is left on
    the model, as `trained_on`, and is saved with it.

    Before the first step it is proven that the model can be saved, that the folder can be written, and that
    the disk has room for the state.

    Args:
        model: The model, with its `processor` and its initial or pretrained weights; trained in place. For a
            training step of your own a `TrainingModule` around it.
        windows: Training windows of the model's history and frameskip. Keep held-out episodes out of them.
        folder: Where logs and state go; made if missing.
        settings: Steps, batch size, optimizer, seed and intervals; `TrainSettings()` when None.
        resume: Go on from a state in `folder`; False deletes it and starts over.
        progress: Show a progress bar.
        devices: How many of them, or `Devices` to say more. Each takes `settings.batch_size` windows a step,
            and SIGReg, other regularizers over a batch, and BatchNorm judge the joint batch of all.
        held_out: Episodes to look at every 500 steps and at the last, or `HeldOut` to say more: how often, by
            which figure, and whether that decides when the run ends and with which weights.
        callbacks: Callbacks of Lightning, in whose hooks the run may be watched or changed. They are called
            before a state is saved, and what their `state_dict` returns is saved and restored with it.
        logger: Where numbers go, any of "csv" (`metrics.csv`), "tensorboard" and "wandb", or loggers of
            Lightning.

    Returns:
        The same model, in evaluation mode, on the device where Lightning left it. If the call fails, the
        modes of its parts are as they were before.

    Raises:
        ConfigError: Model, windows and settings do not fit together, `folder` holds the state of another run,
            or another run is using it.
        CheckpointError: The model cannot be saved, or a file cannot be read or written. The last state is
            whole then.
        DataError: A worker process (`settings.num_workers`) died or could not read.
        MissingExtraError: Lightning, TensorBoard or W&B is not installed.

    Randomness and ranks:
        Everything follows from `settings.seed` and the model's initial weights, and torch's global generators
        are left as they were. n devices of batch size b do what one of batch size n * b does, to rounding,
        but for dropout, which each draws for itself.

    Example:
        ```python
        import tempfile
        import numpy as np
        from leworld.data import Episodes, Windows, fit_processor
        from leworld.encoders import ActionEncoder, ConvEncoder
        from leworld.models import LeWM
        from leworld.nn import Projector
        from leworld.predictors import TransformerPredictor
        from leworld.training import TrainSettings, train

        rng = np.random.default_rng(0)
        films = [rng.integers(0, 256, (20, 8, 8, 3), np.uint8)]
        episodes = Episodes.from_trajectories(films, [rng.normal(size=(19, 1))])
        model = LeWM(
            ConvEncoder(image_size=8, embedding_dim=4, channels=(4, 4)),
            TransformerPredictor(4, history_size=1, depth=1, num_heads=1, head_dim=4, mlp_dim=8),
            action_encoder=ActionEncoder(action_dim=2, embedding_dim=4),
            projector=Projector(4, hidden_dim=8),
            prediction_projector=Projector(4, hidden_dim=8),
        )
        model.processor = fit_processor(episodes, frameskip=2)
        windows = Windows(episodes, 1, frameskip=2)
        settings = TrainSettings(num_steps=2, batch_size=8)
        with tempfile.TemporaryDirectory() as folder:
            train(model, windows, folder=folder, settings=settings, progress=False)
        assert not model.training
        ```
    """
    where, loggers = devices_of(devices, owner="train"), checked_loggers(logger, owner="train")
    check_callbacks(callbacks)
    world = model.model if isinstance(model, TrainingModule) else model
    with modes_on_failure(world) if isinstance(world, WorldModel) else nullcontext():
        module = _module(model, windows, settings)
        settings = module.settings
        if settings.must_save:
            _check_saveable(module.model)
        hooks = list(callbacks)
        if held_out is not None:
            watched = held_out if isinstance(held_out, HeldOut) else HeldOut(held_out)
            hooks.insert(0, Validation(watched, module, owner="train"))
        with reserve_folder(folder, owner="train") as place, cpu_threads(settings.num_threads):
            return _train(
                module,
                place,
                resume=resume,
                progress=progress,
                devices=where,
                callbacks=hooks,
                loggers=loggers,
            )


def _module(
    model: WorldModel | TrainingModule, windows: Windows, settings: TrainSettings | None
) -> TrainingModule:
    if not isinstance(model, TrainingModule):
        return WorldModelModule(model, windows, settings=settings)
    model.begin(windows, model.settings if settings is None else settings)
    return model


def check_callbacks(callbacks: object) -> None:
    """Raise `ConfigError` unless these are callbacks of Lightning."""
    entries = callbacks if isinstance(callbacks, Sequence) else [callbacks]
    strays = [entry for entry in entries if not isinstance(entry, Callback)]
    if strays or not isinstance(callbacks, Sequence):
        raise ConfigError(
            "train needs `callbacks` to be a list of Lightning's callbacks",
            f"it was given {describe(strays[0] if strays else callbacks)}",
            "Pass instances of subclasses of `lightning.pytorch.Callback`",
        )


def _train(
    module: TrainingModule,
    folder: Path,
    *,
    resume: bool,
    callbacks: Sequence[Callback],
    loggers: tuple[str | Logger, ...],
    **options: Any,
) -> WorldModel:
    model, windows, settings = module.model, module.windows, module.settings
    if windows is None:
        raise RuntimeError("unreachable: the module checks it")
    identity, module.seen = windows_identity(windows, model.processor)
    identity |= module.identity()
    for callback in callbacks:
        if isinstance(callback, Validation):
            identity["held_out"] = callback.identity(module)
    record = training_record(model, module.seen)
    before = model.trained_on
    goes_on = resume and (folder / STATE_FILE).exists()
    try:
        identity = fit(
            module,
            folder,
            identity=identity,
            log=run_log(folder, loggers),
            owner="train",
            resume=resume,
            callbacks=callbacks,
            loggers=lightning_loggers(folder, loggers, goes_on=goes_on),
            **options,
        )
    except BaseException:
        if model.trained_on is not before:  # it has begun
            model.trained_on = stamped(record, model)
        raise
    model.trained_on = stamped(record, model)
    reestimate_batchnorm(model, windows, num_windows=settings.batchnorm_windows, seed=settings.seed)
    remember_start(model, identity)
    return model.eval()


def _check_saveable(model: WorldModel) -> None:
    try:
        check_saveable(model, processor=model.processor.to_json() if model.has_processor else None)
    except CheckpointError as error:
        fix = f"{error.fix.rstrip('.')}; or pass `TrainSettings(must_save=False)` to train it all the same"
        raise CheckpointError(error.rule, error.got, fix) from error
