"""Training a world model, start to finish, resumable at any step."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from .._checks import check_number, plain_numbers
from ..data import Windows
from ..errors import CheckpointError
from ..models import WorldModel
from ..serialise import check_saveable
from ._batchnorm import reestimate_batchnorm
from ._fit import fit
from ._identity import remember_start, stamped, training_record, windows_identity
from ._log import RunLog
from ._modes import modes_on_failure
from ._module import WorldModelModule
from ._reserve import reserve_folder
from ._settings import TrainSettings
from ._threads import cpu_threads


@plain_numbers
@torch.inference_mode(False)
def train(
    model: WorldModel,
    windows: Windows,
    *,
    folder: str | Path,
    settings: TrainSettings | None = None,
    resume: bool = True,
    progress: bool = True,
    accelerator: str = "auto",
    devices: int = 1,
    strategy: str = "auto",
    must_save: bool = True,
) -> WorldModel:
    """Train `model` on `windows` with Lightning, resumable at any step, and leave it ready for use.

    Logs go into `folder/metrics.csv` and, for TensorBoard, `folder/tensorboard`; every `settings.save_every`
    steps the whole state, with all rows of the log, goes into `folder/state.ckpt`, in one step, so that no
    kill leaves half a file under that name. Called again with the same arguments, it goes on from there and
    ends with the weights and the log that it would have had, bit for bit on the same machine with as many
    threads; a finished run is loaded and not trained again. At the end BatchNorm statistics are measured
    anew, exactly, on `settings.batchnorm_windows` training windows.

    The state says what decides the result: every byte of the data that the model reads, the processor, the
    windows, the model's classes and settings, its initial weights and which of them are frozen, `settings`
    and `devices`. A call that differs in any of it is refused, and told in what. The code of classes of your
    own is not looked at. After an interruption within one process the same model, as it was left, means the
    same run. Other versions of leworld, torch or numpy, or another kind of device, bring a warning: the last
    bits may differ.

    The model trains in training mode, also if it was loaded; parts that are in evaluation mode and all frozen
    stay in it. While it runs no other run can use the folder. The record of the training episodes is left on
    the model, as `trained_on`, and is saved with it.

    Before the first step it is proven that the model can be saved, that the folder can be written, and that
    the disk has room for the state.

    Args:
        model: The model, with its `processor` and its initial or pretrained weights; trained in place.
        windows: Training windows of the model's history and frameskip. Keep held-out episodes out of them.
        folder: Where logs and state go; made if missing.
        settings: Steps, batch size, optimizer, seed and intervals; `TrainSettings()` when None.
        resume: Go on from a state in `folder`; False deletes it and starts over.
        progress: Show a progress bar.
        accelerator: Lightning's name of the device: "auto", "cpu", "gpu", "mps", ...
        devices: How many of them. Each sees `settings.batch_size` windows a step.
        strategy: Lightning's name of how they work together, for example "ddp".
        must_save: Whether to refuse a model that `leworld.save` could not write. False trains it all the
            same.

    Returns:
        The same model, in evaluation mode, on the device where Lightning left it. If the call fails, the
        modes of its parts are as they were before.

    Raises:
        ConfigError: Model, windows and settings do not fit together, `folder` holds the state of another run,
            or another run is using it.
        CheckpointError: The model cannot be saved, or a file cannot be read or written. The last state is
            whole then.
        MissingExtraError: Lightning or TensorBoard is not installed.

    Randomness and ranks:
        Everything follows from `settings.seed` and the model's initial weights, and torch's global generators
        are left as they were. A run with more devices is another run: its joint batch is larger, and each
        device judges its own part of it with SIGReg and BatchNorm.

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
    check_number("train", "devices", devices, low=1, integer=True)
    settings = TrainSettings() if settings is None else settings
    with modes_on_failure(model) if isinstance(model, WorldModel) else nullcontext():
        module = WorldModelModule(model, windows, settings=settings)
        if must_save:
            _check_saveable(model)
        with reserve_folder(folder, owner="train") as place, cpu_threads(settings.num_threads):
            return _train(
                module,
                place,
                resume=resume,
                progress=progress,
                accelerator=accelerator,
                devices=devices,
                strategy=strategy,
            )


def _train(module: WorldModelModule, folder: Path, **options: Any) -> WorldModel:
    model, windows, settings = module.model, module.windows, module.settings
    if windows is None or model.processor is None:
        raise RuntimeError("unreachable: WorldModelModule checks both")
    identity, module.seen = windows_identity(windows, model.processor)
    record = training_record(model, module.seen)
    before = model.trained_on
    try:
        identity = fit(module, folder, identity=identity, log=RunLog(folder), owner="train", **options)
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
        check_saveable(model, processor=None if model.processor is None else model.processor.to_json())
    except CheckpointError as error:
        fix = f"{error.fix.rstrip('.')}; or pass `must_save=False` to train it all the same"
        raise CheckpointError(error.rule, error.got, fix) from error
