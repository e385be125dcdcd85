"""A model with a state that it carries from moment to moment: latents hold what was seen and done before."""

import torch
from torch import nn
from torch.nn import functional as F

from leworld.encoders import ConvEncoder
from leworld.models import Losses, WorldModel
from leworld.nn import configurable
from leworld.regularizers import SIGReg


@configurable
class RecurrentModel(WorldModel):
    history_size = 3  # frames of a training window, less one: acting, it forgets nothing

    def __init__(self, encoder: nn.Module, action_dim: int, *, state_dim: int = 6):
        super().__init__()
        self.encoder, self.action_dim, self.embedding_dim = encoder, action_dim, state_dim
        self.advance = nn.GRUCell(action_dim, state_dim)
        self.correct = nn.GRUCell(encoder.embedding_dim, state_dim)
        self.regularizer = SIGReg(16)

    def _observe(self, state, observation, past_action, generator):
        seen = self.encoder(observation)
        expected = seen.new_zeros(len(seen), self.embedding_dim)
        if state is not None:
            expected = self.advance(past_action, state["h"])
        return {"h": self.correct(seen, expected)}

    def _present(self, state):
        return state["h"]

    def _imagine(self, state, actions, generator):
        h, steps = state["h"].repeat_interleave(actions.shape[1], dim=0), []
        for block in actions.flatten(0, 1).unbind(1):
            h = self.advance(block, h)
            steps.append(h)
        return torch.stack(steps, dim=1).unflatten(0, actions.shape[:2])

    def _encode(self, observations):  # each frame as if an episode began there: what a goal is
        first = self._observe(None, observations.flatten(0, 1), None, None)
        return first["h"].unflatten(0, observations.shape[:2])

    def _predict(self, latents, actions):
        return self.advance(actions.flatten(0, 1), latents.flatten(0, 1)).view_as(latents)

    def _loss(self, batch, generator):
        latents = self.encode(batch.observations, batch.actions)
        predictions = self._predict(latents[:, :-1], batch.actions[:, :-1])
        spread = self.regularizer(latents.transpose(0, 1), generator=generator)
        terms = {"prediction": F.mse_loss(predictions, latents[:, 1:]), "regularizer": 0.05 * spread}
        return Losses(terms, latents=latents.detach())


CLASSES, TERMS = (RecurrentModel,), ("prediction", "regularizer")


def build(processor):
    return RecurrentModel(ConvEncoder(processor.image_size, 6, channels=(4, 8)), processor.block_dim)
