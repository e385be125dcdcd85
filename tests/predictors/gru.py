"""A recurrent predictor as a user would write one: it carries its state and forgets nothing."""

from typing import Any

import torch
from torch import Tensor, nn

from leworld.nn import configurable
from leworld.predictors import IncrementalPredictor


@configurable
class UserGRU(IncrementalPredictor):
    slides = False

    def __init__(self, embedding_dim: int, history_size: int = 3, *, condition_dim: int, hidden: int = 8):
        super().__init__()
        self.embedding_dim, self.condition_dim, self.history_size = embedding_dim, condition_dim, history_size
        self.gru = nn.GRU(embedding_dim + condition_dim, hidden, batch_first=True)
        self.output = nn.Linear(hidden, embedding_dim)

    def forward(self, embeddings: Tensor, conditions: Tensor) -> Tensor:
        return self.output(self.gru(torch.cat([embeddings, conditions], dim=-1))[0])

    def prepare(self, embeddings: Tensor, past_conditions: Tensor, conditions: Tensor) -> Any:
        batch, samples = conditions.shape[:2]
        state = embeddings.new_zeros(1, batch, self.gru.hidden_size)
        if embeddings.shape[1]:
            state = self.gru(torch.cat([embeddings, past_conditions], dim=-1))[1]
        return state.repeat_interleave(samples, dim=1), conditions

    def extend(self, memory: Any, embeddings: Tensor) -> tuple[Tensor, Any]:
        state, conditions = memory
        inputs = torch.cat([embeddings, conditions[:, :, 0]], dim=-1).flatten(0, 1)
        output, state = self.gru(inputs.unsqueeze(1), state)
        return self.output(output[:, 0]).view_as(embeddings), (state, conditions[:, :, 1:])
