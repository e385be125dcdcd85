"""Predictors that are wrong in one way each, made from the right one."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leworld.predictors import TransformerPredictor
from tests.predictors.cases import DIM, SMALL, TIME, awake


class Wrong(nn.Module):
    """The right predictor inside; subclasses spoil it."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = awake(TransformerPredictor(DIM, TIME, **SMALL, dropout=0.3))
        self.history_size = TIME
        self.register_parameter("positions", None)

    def forward(self, embeddings: Tensor, conditions: Tensor) -> Tensor:
        return self.inner(embeddings, conditions)


class NotCausal(Wrong):
    def __init__(self) -> None:
        super().__init__()
        for block in self.inner.blocks:
            block.attention.causal = False


class SeesTheNextAction(Wrong):
    def forward(self, embeddings: Tensor, conditions: Tensor) -> Tensor:
        return self.inner(embeddings, conditions.roll(-1, dims=1))


class GateForgotten(Wrong):
    """The attention gate is left out, so its third of the modulation learns nothing."""

    def forward(self, embeddings: Tensor, conditions: Tensor) -> Tensor:
        tokens = embeddings + self.inner.positions[:, : embeddings.shape[1]]
        for block in self.inner.blocks:
            shift, scale, _, *_ = block.modulation(conditions)
            plain = F.layer_norm(tokens, tokens.shape[-1:], eps=1e-6)
            tokens = tokens + block.attention(block.attention_norm(plain * (1 + scale) + shift))
        return self.inner.norm(tokens)


class PositionsFromTheEnd(Wrong):
    """Numbers the frames from the end of the window, so that a shorter window changes them."""

    def forward(self, embeddings: Tensor, conditions: Tensor) -> Tensor:
        time = embeddings.shape[1]
        shift = self.inner.positions[:, TIME - time :] - self.inner.positions[:, :time]
        return self.inner(embeddings + shift, conditions)


class NoPositions(Wrong):
    def forward(self, embeddings: Tensor, conditions: Tensor) -> Tensor:
        return self.inner(embeddings - self.inner.positions[:, : embeddings.shape[1]], conditions)


class AveragesTheBatch(Wrong):
    def forward(self, embeddings: Tensor, conditions: Tensor) -> Tensor:
        return self.inner(embeddings - embeddings.mean(dim=0), conditions)


class DropsAlways(Wrong):
    def forward(self, embeddings: Tensor, conditions: Tensor) -> Tensor:
        return F.dropout(self.inner(embeddings, conditions), 0.5, training=True)


WRONG = {
    NotCausal: "check_causal",
    SeesTheNextAction: "check_causal",
    GateForgotten: "check_every_parameter_learns",
    PositionsFromTheEnd: "check_a_shorter_window_gives_the_same_start",
    NoPositions: "check_positions_matter",
    AveragesTheBatch: "check_rows_are_independent",
    DropsAlways: "check_evaluation_is_deterministic",
}


def ungated(block: nn.Module, tokens: Tensor, condition: Tensor) -> Tensor:
    """A block that adds its branches whole: not the identity before training."""
    shift, scale, _, mlp_shift, mlp_scale, _ = block.modulation(condition)
    plain = F.layer_norm(tokens, tokens.shape[-1:], eps=1e-6)
    tokens = tokens + block.attention(block.attention_norm(torch.addcmul(plain + shift, plain, scale)))
    plain = F.layer_norm(tokens, tokens.shape[-1:], eps=1e-6)
    return tokens + block.mlp(block.mlp_norm(torch.addcmul(plain + mlp_shift, plain, mlp_scale)))
