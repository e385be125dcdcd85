"""A model and data small enough to train in a second."""

import hashlib
from functools import cache

import numpy as np
from torch import nn

from leworld._random import seeded_globals
from leworld.data import Episodes, Windows, fit_processor
from leworld.encoders import ActionEncoder, ConvEncoder
from leworld.models import LeWM
from leworld.nn import Projector
from leworld.predictors import TransformerPredictor
from leworld.regularizers import SIGReg
from leworld.training import TrainSettings


@cache
def tiny_episodes() -> Episodes:
    rng = np.random.default_rng(0)
    films, commands = [], []
    for _ in range(12):
        actions = rng.normal(size=(19, 2)).astype(np.float32)
        path = np.cumsum(np.concatenate([rng.normal(size=(1, 2)), actions]), axis=0) * 0.3
        grid = np.linspace(0, 2, 8)
        wave = np.sin(grid[None, :, None] + path[:, :1, None]) + np.cos(
            grid[None, None, :] + path[:, 1:, None]
        )
        films.append(np.repeat((127 + 60 * wave)[..., None], 3, axis=-1).astype(np.uint8))
        commands.append(actions)
    return Episodes.from_trajectories(films, commands)


def tiny_model(weight: float = 0.05, *, seed: int = 0, dropout: float = 0.2) -> LeWM:
    with seeded_globals(seed):
        model = LeWM(
            ConvEncoder(image_size=8, embedding_dim=6, channels=(4, 8)),
            TransformerPredictor(
                6, history_size=2, depth=1, num_heads=1, head_dim=6, mlp_dim=8, dropout=dropout
            ),
            action_encoder=ActionEncoder(4, 6),
            projector=Projector(6, hidden_dim=8),
            prediction_projector=Projector(6, hidden_dim=8),
            regularizer=SIGReg(8),
            regularizer_weight=weight,
        )
    model.processor = fit_processor(tiny_episodes(), frameskip=2)
    return model


def tiny_windows(history_size: int = 2, *, frameskip: int = 2) -> Windows:
    return Windows(tiny_episodes(), history_size, frameskip=frameskip)


def tiny_settings(**changes: object) -> TrainSettings:
    usual: dict[str, object] = {
        "num_steps": 20,
        "batch_size": 16,
        "save_every": 7,
        "log_every": 5,
        "batchnorm_windows": 64,
    }
    return TrainSettings(**{**usual, **changes})  # pyright: ignore[reportArgumentType] -- names are the settings'


def fingerprint(model: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode() + tensor.cpu().numpy().tobytes())
    return digest.hexdigest()
