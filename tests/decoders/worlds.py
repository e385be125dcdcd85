"""A world of one dot, a model that knows where it is, and films of it."""

import numpy as np
import torch

from leworld.data import Episodes, Processor
from leworld.models import WorldModel

SIDE = 16


class DotModel(WorldModel):
    """Embeds a picture as the dot's place (x, y), scaled, and adds the action's displacement to it."""

    history_size, embedding_dim, action_dim = 1, 2, 2

    def __init__(self, drift: float = 0.0) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(0.3))
        self.norm = torch.nn.BatchNorm1d(2)
        self.drift = drift
        self.processor = Processor(
            SIDE,
            frameskip=1,
            action_dim=2,
            image_mean=(0.0,) * 3,
            image_std=(1.0,) * 3,
            action_mean=(0.0, 0.0),
            action_std=(1.0, 1.0),
        )

    def _encode(self, observations):
        weight = observations[:, :, 0]
        weight = weight / weight.sum(dim=(-2, -1), keepdim=True)
        place = torch.arange(SIDE, dtype=weight.dtype)
        x, y = (weight.sum(-2) * place).sum(-1), (weight.sum(-1) * place).sum(-1)
        return (torch.stack([x, y], dim=-1) - SIDE / 2) * self.scale

    def _predict(self, embeddings, actions):
        return embeddings + actions * self.scale + self.drift * self.scale

    def _loss(self, batch, generator):
        raise NotImplementedError


def films(num_episodes: int = 6, length: int = 12, *, seed: int = 0) -> Episodes:
    """A red square of 3 x 3 pixels that moves by whole pixels; `state` is its centre."""
    rng = np.random.default_rng(seed)
    pixels, actions, states = [], [], []
    for _ in range(num_episodes):
        place = rng.integers(2, SIDE - 2, 2)
        for step in range(length):
            picture = np.zeros((SIDE, SIDE, 3), np.uint8)
            picture[place[1] - 1 : place[1] + 2, place[0] - 1 : place[0] + 2, 0] = 255
            target = np.clip(place + rng.integers(-2, 3, 2), 2, SIDE - 3)
            pixels.append(picture)
            states.append(place.astype(np.float32))
            last = step == length - 1
            actions.append(np.full(2, np.nan) if last else (target - place).astype(np.float64))
            place = target
    return Episodes(
        np.stack(pixels),
        np.stack(actions).astype(np.float32),
        lengths=np.full(num_episodes, length),
        columns={"state": np.stack(states)},
    )
