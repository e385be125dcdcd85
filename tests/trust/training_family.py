"""A small model that reads everything that windows can hold, and its run."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from leworld._random import seeded_globals
from leworld.data import Episodes, Windows, fit_processor
from leworld.models import Losses, WorldModel
from leworld.training import Devices, TrainSettings, train

SETTINGS = TrainSettings(
    num_steps=2, batch_size=4, save_every=2, log_every=1, batchnorm_windows=8, must_save=False
)


class Scaled(nn.Module):
    """A part of a user's own, with a number that no tensor holds."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor
        self._hidden = [1, 2]

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values * self.factor


class Reading(WorldModel):
    """Reads pictures, a vector and the reward; has a frozen part, BatchNorm, dropout and a buffer."""

    latent_shape, action_dim = (3,), 4
    observation_parts = ("pixels", "proprio")
    batch_columns = ("reward",)

    def __init__(self, history_size: int = 1, frameskip: int = 2) -> None:
        super().__init__()
        self.history_size, self.action_dim = history_size, 2 * frameskip
        self.encoder = nn.Linear(5, 3)
        self.frozen = nn.Linear(3, 3).requires_grad_(False)
        self.norm = nn.BatchNorm1d(3)
        self.dropout = nn.Dropout(0.1)
        self.scaled = Scaled(0.5)
        self.weight = 1.0
        self.shift: torch.Tensor
        self.register_buffer("shift", torch.zeros(3), persistent=False)

    def _encode(self, observations: Any) -> torch.Tensor:
        seen = torch.cat((observations["pixels"].mean((3, 4)), observations["proprio"]), dim=-1)
        rows = self.norm(self.frozen(self.encoder(seen)).flatten(0, 1))
        return self.scaled(self.dropout(rows)).unflatten(0, seen.shape[:2]) + self.shift

    def _predict(self, latents: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        return latents + actions.mean(-1, keepdim=True)

    def _loss(self, batch: Any, generator: Any) -> Losses:
        latents = self._encode(batch.observations)
        reward = batch.columns["reward"].nan_to_num().mean()
        return Losses({"energy": self.weight * (latents.square().mean() - reward).square()}, latents=latents)


def episodes(**changes: Any) -> Episodes:
    rng = np.random.default_rng(0)
    lengths = (9, 7, 8, 2)  # too short, the last, for a window
    films = [rng.integers(0, 256, (length, 6, 6, 3), np.uint8) for length in lengths]
    found = Episodes.from_trajectories(
        films,
        [rng.normal(size=(length - 1, 2)) for length in lengths],
        columns={
            "proprio": [rng.normal(size=(length, 2)) for length in lengths],
            "reward": [rng.normal(size=length) for length in lengths],
            "unread": [rng.normal(size=length) for length in lengths],
        },
        environment_id="tests/Reading-v0",
        fps=10.0,
    )
    return replace(found, **changes)


@cache
def processor() -> Any:
    return fit_processor(episodes(), frameskip=2, parts=("pixels", "proprio"), source="the tests")


def model(**options: Any) -> Reading:
    with seeded_globals(0):
        made = Reading(**options)
    made.frozen.eval()
    made.processor = processor()
    return made


def windows(of: Episodes | None = None, history_size: int = 1, frameskip: int = 2, **options: Any) -> Windows:
    return Windows(episodes() if of is None else of, history_size, frameskip=frameskip, **options)


def run(folder: Path, of: Reading | None = None, cut: Windows | None = None, **options: Any) -> WorldModel:
    usual = {"settings": SETTINGS, "progress": False, "devices": Devices(accelerator="cpu")}
    return train(
        model() if of is None else of, windows() if cut is None else cut, folder=folder, **(usual | options)
    )
