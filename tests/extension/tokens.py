"""Patch tokens as latents, as DINO-WM has them, with a distance that weighs the tokens."""

import torch
from torch import nn
from torch.nn import functional as F

from leworld.models import Losses, WorldModel
from leworld.nn import configurable
from leworld.regularizers import SIGReg


@configurable
class TokenModel(WorldModel):
    history_size = 2

    def __init__(self, image_size: int, action_dim: int, *, patch_size: int = 6, dim: int = 8):
        super().__init__()
        self.action_dim = action_dim
        self.latent_shape = ((image_size // patch_size) ** 2, dim)
        self.patches = nn.Conv2d(3, dim, patch_size, patch_size)
        self.condition = nn.Linear(action_dim, dim)
        self.block = nn.TransformerEncoderLayer(dim, 2, 16, dropout=0.0, batch_first=True)
        self.output = nn.Linear(dim, dim)
        self.regularizer = SIGReg(16)
        self.register_buffer("weights", torch.linspace(1, 2, self.latent_shape[0]))

    def _encode(self, observations):
        tokens = self.patches(observations.flatten(0, 1)).flatten(2).transpose(1, 2)
        return tokens.unflatten(0, observations.shape[:2])

    def _predict(self, latents, actions):
        batch, time, count, dim = latents.shape
        tokens = (latents + self.condition(actions).unsqueeze(2)).flatten(1, 2)
        frame = torch.arange(time, device=latents.device).repeat_interleave(count)
        tokens = self.block(tokens, frame[:, None] < frame)  # a token sees its own frame and earlier ones
        return self.output(tokens).view(batch, time, count, dim)

    def _loss(self, batch, generator):
        latents = self._encode(batch.observations)
        predictions = self._predict(latents[:, :-1], batch.actions[:, :-1])
        spread = self.regularizer(latents.permute(1, 2, 0, 3), generator=generator)
        terms = {"prediction": F.mse_loss(predictions, latents[:, 1:]), "regularizer": 0.05 * spread}
        return Losses(terms, latents=latents.detach())

    def latent_distance(self, one, other):
        return ((one - other).square().sum(-1) * self.weights).sum(-1)


CLASSES = (TokenModel,)
TERMS = ("prediction", "regularizer")


def build(processor):
    return TokenModel(processor.image_size, processor.block_dim)
