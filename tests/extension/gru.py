"""A recurrent predictor in a LeWM: one step a step, and it forgets nothing."""

import torch
from torch import nn

from leworld.encoders import ActionEncoder, ConvEncoder
from leworld.models import LeWM
from leworld.nn import Projector, configurable
from leworld.predictors import IncrementalPredictor


@configurable
class UserGRU(IncrementalPredictor):
    slides = False

    def __init__(self, embedding_dim: int, history_size: int, *, condition_dim: int, hidden_dim: int = 8):
        super().__init__()
        self.embedding_dim, self.history_size = embedding_dim, history_size
        self.condition_dim = condition_dim
        self.gru = nn.GRU(embedding_dim + condition_dim, hidden_dim, batch_first=True)
        self.output = nn.Linear(hidden_dim, embedding_dim)

    def forward(self, embeddings, conditions):
        return self.output(self.gru(torch.cat((embeddings, conditions), dim=-1))[0])

    def prepare(self, embeddings, past_conditions, conditions):
        batch, samples = conditions.shape[:2]
        state = embeddings.new_zeros(1, batch, self.gru.hidden_size)
        if embeddings.shape[1]:
            state = self.gru(torch.cat((embeddings, past_conditions), dim=-1))[1]
        return state.repeat_interleave(samples, dim=1), conditions

    def extend(self, memory, embeddings):
        state, conditions = memory
        inputs = torch.cat((embeddings, conditions[:, :, 0]), dim=-1).flatten(0, 1)
        output, state = self.gru(inputs.unsqueeze(1), state)
        return self.output(output[:, 0]).view_as(embeddings), (state, conditions[:, :, 1:])


CLASSES = (UserGRU,)
TERMS = ("prediction", "regularizer")


def build(processor):
    return LeWM(
        ConvEncoder(processor.image_size, 6, channels=(4, 8)),
        UserGRU(6, history_size=3, condition_dim=4),
        action_encoder=ActionEncoder(processor.block_dim, 4),
        projector=Projector(6, hidden_dim=8),
        prediction_projector=Projector(6, hidden_dim=8),
    )
