"""A picture, a second camera and what the agent feels of itself, joined by an encoder inside a LeWM."""

import torch
from torch import nn

from leworld.encoders import ActionEncoder, ConvEncoder, VectorEncoder
from leworld.models import LeWM
from leworld.nn import Projector, configurable
from leworld.predictors import TransformerPredictor
from tests.extension.point import Point


class SensingPoint(Point):
    name, environment_id = "sensing point", "extension/SensingPoint-v0"

    def sense(self, states):
        return {"proprio": 3 * states.astype("float32"), "wrist": self.render(states[..., ::-1], 8)}


@configurable
class Senses(nn.Module):
    observation_parts = ("pixels", "wrist", "proprio")

    def __init__(self, front: nn.Module, wrist: nn.Module, body: nn.Module, *, embedding_dim: int = 8):
        super().__init__()
        self.front, self.wrist, self.body, self.embedding_dim = front, wrist, body, embedding_dim
        self.join = nn.Linear(front.embedding_dim + wrist.embedding_dim, embedding_dim)
        self.gate = nn.Linear(body.embedding_dim, embedding_dim)

    def forward(self, observation):
        seen = torch.cat((self.front(observation["pixels"]), self.wrist(observation["wrist"])), dim=-1)
        return self.join(seen) + self.gate(self.body(observation["proprio"]))


TASK = SensingPoint()
PARTS = {"proprio": None, "wrist": 8}
CLASSES = (Senses,)
TERMS = ("prediction", "regularizer")


def build(processor):
    front = ConvEncoder(processor.image_size, 6, channels=(4, 8))
    senses = Senses(front, ConvEncoder(8, 6, channels=(4,)), VectorEncoder(2, 4, hidden_dim=8))
    return LeWM(
        senses,
        TransformerPredictor(6, history_size=2, depth=1, num_heads=1, head_dim=6, mlp_dim=8),
        action_encoder=ActionEncoder(processor.block_dim, 6),
        projector=Projector(8, 6, hidden_dim=8),
        prediction_projector=Projector(6, hidden_dim=8),
    )
