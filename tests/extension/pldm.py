"""PLDM: a recurrent rollout in the loss, and five terms by name (Sobal et al., arXiv 2502.14819)."""

import torch
from torch import nn
from torch.nn import functional as F

from leworld.encoders import ConvEncoder
from leworld.models import Losses, WorldModel
from leworld.nn import configurable
from leworld.regularizers import InverseDynamics, TemporalSimilarity, VCReg


@configurable
class UserPLDM(WorldModel):
    history_size = 3  # frames of a training window, less one: the predictor looks at the last frame alone

    def __init__(self, encoder: nn.Module, action_dim: int, *, similarity_weight: float = 0.5):
        super().__init__()
        self.encoder, self.action_dim, self.embedding_dim = encoder, action_dim, encoder.embedding_dim
        self.similarity_weight = similarity_weight
        self.dynamics = nn.Linear(self.embedding_dim + action_dim, self.embedding_dim)
        self.variance = VCReg(std_weight=1.0, covariance_weight=0.0)
        self.covariance = VCReg(std_weight=0.0, covariance_weight=1.0)
        self.similarity = TemporalSimilarity()
        self.inverse = InverseDynamics(self.embedding_dim, action_dim)

    def _encode(self, observations):
        return self.encoder(observations.flatten(0, 1)).unflatten(0, observations.shape[:2])

    def _predict(self, latents, actions):
        return latents + self.dynamics(torch.cat((latents, actions), dim=-1))

    def _loss(self, batch, generator):
        latents, blocks = self._encode(batch.observations), batch.actions
        imagined = self._rollout(latents[:, :1], blocks[:, :0], blocks[:, None, :-1])[:, 0]
        over_batch, slow = latents.transpose(0, 1), self.similarity(latents)
        terms = {
            "prediction": F.mse_loss(imagined, latents[:, 1:]),
            "variance": 18 * self.variance(over_batch),
            "covariance": 12 * self.covariance(over_batch),
            "time_similarity": self.similarity_weight * slow,
            "inverse_dynamics": self.inverse(latents, blocks),
        }
        return Losses(terms, latents=latents.detach(), values={"time_similarity": slow})


CLASSES = (UserPLDM,)
TERMS = ("prediction", "variance", "covariance", "time_similarity", "inverse_dynamics")


def build(processor):
    return UserPLDM(ConvEncoder(processor.image_size, 6, channels=(4, 8)), processor.block_dim)
