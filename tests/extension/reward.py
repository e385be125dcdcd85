"""Rewards in the loss, a plan that earns the most of them, and a policy head that makes the first guess."""

import torch
from torch import nn
from torch.nn import functional as F

from leworld.control import MPCPolicy
from leworld.encoders import ConvEncoder
from leworld.models import Losses, WorldModel
from leworld.nn import configurable


@configurable
class RewardModel(WorldModel):
    history_size, batch_columns = 2, ("reward",)

    def __init__(self, encoder: nn.Module, action_dim: int):
        super().__init__()
        self.encoder, self.action_dim, self.embedding_dim = encoder, action_dim, encoder.embedding_dim
        self.dynamics = nn.Linear(self.embedding_dim + action_dim, self.embedding_dim)
        self.reward = nn.Linear(self.embedding_dim, 1)
        self.policy = nn.Linear(self.embedding_dim, action_dim)

    def _encode(self, observations):
        return self.encoder(observations.flatten(0, 1)).unflatten(0, observations.shape[:2])

    def _predict(self, latents, actions):
        return latents + self.dynamics(torch.cat((latents, actions), dim=-1))

    def _loss(self, batch, generator):
        latents, blocks = self._encode(batch.observations), batch.actions[:, :-1]
        predictions = self._predict(latents[:, :-1], blocks)
        earned = self.reward(predictions).squeeze(-1)
        terms = {
            "prediction": F.mse_loss(predictions, latents[:, 1:].detach()),
            "reward": F.mse_loss(earned, batch.columns["reward"][:, :-1]),
            "policy": F.mse_loss(self.policy(latents[:, :-1].detach()), blocks),
        }
        return Losses(terms, latents=latents.detach())


def reward_cost(situation):
    model, state = situation.model, situation.state
    return lambda actions: -model.reward(model.imagine(state, actions)).sum((-2, -1))


def propose(situation):
    return situation.model.policy(situation.latents).unsqueeze(1).expand(-1, situation.horizon, -1)


CLASSES = (RewardModel,)
TERMS = ("prediction", "reward", "policy")


def build(processor):
    return RewardModel(ConvEncoder(processor.image_size, 6, channels=(4, 8)), processor.block_dim)


def policy(model, planner, **options):
    return MPCPolicy(model, planner, cost=reward_cost, propose=propose, **options)
