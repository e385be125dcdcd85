"""Training, killed: rows of the log, TensorBoard's numbers and weights are those of an uninterrupted run."""

import hashlib
import warnings
from pathlib import Path

import numpy as np
import torch

from benchmarks.kills.harness import moment
from leworld._random import seeded_globals
from leworld.data import Episodes, Windows, fit_processor
from leworld.encoders import ActionEncoder, ConvEncoder
from leworld.models import LeWM
from leworld.nn import Projector
from leworld.predictors import TransformerPredictor
from leworld.regularizers import SIGReg
from leworld.training import Devices, TrainSettings, WorldModelModule, train

SETTINGS = TrainSettings(num_steps=12, batch_size=8, save_every=3, log_every=2, batchnorm_windows=16)


def work(folder: Path) -> None:
    """Train a small model with dropout and BatchNorm."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    windows = _windows()
    losses = WorldModelModule.losses

    def observed(self: WorldModelModule, *args: object, **options: int) -> object:
        moment(f"step {options['step']}")
        return losses(self, *args, **options)  # pyright: ignore[reportArgumentType] -- passed on

    WorldModelModule.losses = observed  # pyright: ignore[reportAttributeAccessIssue] -- in this process only
    model = train(
        _model(windows),
        windows,
        folder=folder,
        settings=SETTINGS,
        progress=False,
        devices=Devices(accelerator="cpu"),
    )
    found = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        found.update(name.encode() + value.numpy().tobytes())
    (folder / "weights.txt").write_text(found.hexdigest())


def outcome(folder: Path) -> str:
    """Return the table, TensorBoard's numbers, the digest of the weights, and the names of all files."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return "\n".join(
        [(folder / "weights.txt").read_text(), (folder / "metrics.csv").read_text(), *_events(folder), *names]
    )


def _events(folder: Path) -> list[str]:
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    return [
        f"{event.step} {value.tag} {value.tensor.float_val or value.simple_value}"
        for path in sorted((folder / "tensorboard").iterdir())
        for event in EventFileLoader(str(path)).Load()
        for value in event.summary.value
    ]


def _windows() -> Windows:
    rng = np.random.default_rng(0)
    films = [rng.integers(0, 256, (12, 8, 8, 3), np.uint8) for _ in range(6)]
    return Windows(
        Episodes.from_trajectories(films, [rng.normal(size=(11, 1)) for _ in films]), 1, frameskip=2
    )


def _model(windows: Windows) -> LeWM:
    with seeded_globals(0):
        model = LeWM(
            ConvEncoder(image_size=8, embedding_dim=4, channels=(4, 4)),
            TransformerPredictor(4, history_size=1, depth=1, num_heads=1, head_dim=4, mlp_dim=8, dropout=0.2),
            action_encoder=ActionEncoder(action_dim=2, embedding_dim=4),
            projector=Projector(4, hidden_dim=8),
            prediction_projector=Projector(4, hidden_dim=8),
            regularizer=SIGReg(8),
        )
    model.processor = fit_processor(windows.episodes, frameskip=2)
    return model
