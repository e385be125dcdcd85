"""A point in the unit square whose position is painted into the frame's colour, and a model of it."""

import numpy as np
import torch

from leworld.data import Observation, Processor
from leworld.models import WorldModel

SPEED = 0.1
FRAMESKIP = 2
MEAN, STD = (0.5, -0.25), (0.5, 2.0)


def paint(positions: np.ndarray) -> Observation:
    """Red and green are the position, from -1 to 1."""
    pixels = np.zeros((len(positions), 4, 4, 3), np.uint8)
    pixels[..., :2] = np.rint((positions[:, None, None] + 1) * 127.5).clip(0, 255)
    return Observation(pixels)


def move(positions: np.ndarray, actions: np.ndarray) -> np.ndarray:
    return positions + SPEED * actions


class PointModel(WorldModel):
    """Reads the position off the colour and moves it by the block's raw actions; keeps a log of its calls."""

    history_size, latent_shape, action_dim = 3, (2,), 2 * FRAMESKIP

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(SPEED))
        self.dropout = torch.nn.Dropout(dropout)
        self.encoded: list[int] = []
        self.rolled: list[tuple[torch.Tensor, torch.Tensor]] = []

    def _encode(self, observations):
        self.encoded.append(observations.shape[0] * observations.shape[1])
        return self.dropout(observations[:, :, :2].mean((3, 4)))

    def _predict(self, latents, actions):
        raw = actions.unflatten(-1, (FRAMESKIP, 2)) * torch.tensor(STD) + torch.tensor(MEAN)
        return latents + self.scale * raw.sum(-2)

    def _rollout(self, context, past_actions, actions):
        if actions.shape[1] > 1 or actions.shape[2] > 1:  # not the check of what the last block led to
            self.rolled.append((context.clone(), past_actions.clone()))
        return super()._rollout(context, past_actions, actions)

    def _loss(self, batch, generator):
        raise NotImplementedError


def point_model(dropout: float = 0.0) -> PointModel:
    model = PointModel(dropout).eval()
    model.processor = Processor(
        4,
        frameskip=FRAMESKIP,
        action_dim=2,
        image_mean=(0.5, 0.5, 0.5),
        image_std=(0.5, 0.5, 0.5),
        action_mean=MEAN,
        action_std=STD,
    )
    return model
