"""Training a world model, start to finish, resumable at any step."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .._checks import check_number, plain_numbers
from ..data import Batch, Windows, to_batch
from ..models import WorldModel
from ._batchnorm import reestimate_batchnorm
from ._fit import fit, tensorboard
from ._logs import MetricsFile
from ._module import WorldModelModule
from ._settings import TrainSettings
from ._stream import WindowStream
from ._threads import cpu_threads

_STATISTICS_BATCH = 256


@plain_numbers
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
) -> WorldModel:
    """Train `model` on `windows` with Lightning, resumable at any step, and leave it ready for use.

    Logs go into `folder/metrics.csv` and, for TensorBoard, `folder/tensorboard`; every `settings.save_every`
    steps the whole state goes into `folder/state.ckpt`, in one step, so that no kill leaves half a file under
    that name. Called again with the same arguments, it goes on from there and ends with the weights that it
    would have had, bit for bit on the same machine with as many threads; a finished run is loaded and not
    trained again. At the end BatchNorm statistics are measured anew, exactly, on
    `settings.batchnorm_windows` training windows.

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

    Returns:
        The same model, in evaluation mode, on the device where Lightning left it.

    Raises:
        ConfigError: Model, windows and settings do not fit together, or `folder` holds another run's state.
        CheckpointError: The state cannot be read.
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
    folder = Path(folder)
    settings = TrainSettings() if settings is None else settings
    module = WorldModelModule(model, windows, settings=settings)
    windows = module.windows or windows  # with the columns that the model reads
    with cpu_threads(settings.num_threads):
        fit(
            module,
            folder,
            identity=_identity(model, windows, settings, devices),
            loggers=lambda first: [MetricsFile(folder, first_step=first), tensorboard(folder)],
            resume=resume,
            progress=progress,
            accelerator=accelerator,
            devices=devices,
            strategy=strategy,
        )
        reestimate_batchnorm(model, _StatisticsBatches(model, windows, settings))
    return model.eval()


class _StatisticsBatches:
    """The training windows that BatchNorm is measured on, loaded anew at each iteration."""

    def __init__(self, model: WorldModel, windows: Windows, settings: TrainSettings) -> None:
        self.model = model
        self.windows = windows
        stream = WindowStream(windows, settings.batch_size, seed=settings.seed)
        self.indices = stream.statistics_indices(settings.batchnorm_windows)

    def __iter__(self) -> Iterator[Batch]:
        processor = self.model.processor
        if processor is None:
            raise RuntimeError("unreachable: WorldModelModule checks the processor")
        device = next(self.model.parameters()).device
        for start in range(0, len(self.indices), _STATISTICS_BATCH):
            chosen = self.indices[start : start + _STATISTICS_BATCH].tolist()
            yield to_batch(self.windows.__getitems__(chosen).to(device), processor)


def _identity(model: WorldModel, windows: Windows, settings: TrainSettings, devices: int) -> dict[str, Any]:
    """Say in plain data what a run is, so that another one is not resumed by mistake."""
    episodes = windows.episodes
    digest = hashlib.sha256(np.ascontiguousarray(episodes.actions).tobytes())
    read = {} if episodes.pixels is None else {"pixels": episodes.pixels}
    for column in (*read.values(), *(episodes.columns[name] for name in windows.columns)):
        digest.update(np.ascontiguousarray(column[:: max(1, len(column) // 64)]).tobytes())
    config = getattr(model, "config", None)
    return {
        "data": digest.hexdigest(),
        "devices": devices,
        "frameskip": windows.frameskip,
        "model": type(model).__name__ if config is None else config.described(),
        "settings": settings.to_json(),
        "windows": len(windows),
    }
