"""Predictors that are wrong in one way each, made from the right one."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leworld.predictors import LinearPredictor, TransformerPredictor
from tests.predictors.cases import CONDITION, DIM, SMALL, TIME, awake, gru


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


class Recurrent(nn.Module):
    """A right recurrent one inside; subclasses spoil it."""

    history_size, slides = TIME, False

    def __init__(self) -> None:
        super().__init__()
        self.inner = awake(gru())

    def forward(self, embeddings: Tensor, conditions: Tensor) -> Tensor:
        return self.inner(embeddings, conditions)


class LeaksTheFuture(Recurrent):
    """Starts from a state that has read the whole sequence."""

    def forward(self, embeddings: Tensor, conditions: Tensor) -> Tensor:
        first = self.inner(embeddings, conditions)[:, -1:]
        return self.inner(torch.cat([embeddings[:, :1] + first, embeddings[:, 1:]], dim=1), conditions)


class StartsAtTheEnd(Recurrent):
    """Reads the sequence backward."""

    def forward(self, embeddings: Tensor, conditions: Tensor) -> Tensor:
        return self.inner(embeddings.flip(1), conditions.flip(1)).flip(1)


class ForgetsItsState(Recurrent):
    """Starts anew at every frame."""

    def forward(self, embeddings: Tensor, conditions: Tensor) -> Tensor:
        rows = [
            self.inner(embeddings[:, t : t + 1], conditions[:, t : t + 1]) for t in range(embeddings.shape[1])
        ]
        return torch.cat(rows, dim=1)


class Recent(nn.Module):
    """A right predictor on a window of two frames inside; subclasses spoil it."""

    history_size, slides = 2, True

    def __init__(self) -> None:
        super().__init__()
        self.inner = awake(LinearPredictor(DIM, 2, condition_dim=CONDITION))

    def forward(self, embeddings: Tensor, conditions: Tensor) -> Tensor:
        return self.inner(embeddings, conditions)


class SeesOneFrameMore(Recent):
    def forward(self, embeddings: Tensor, conditions: Tensor) -> Tensor:
        earlier = F.pad(embeddings, (0, 0, 2, 0))[:, :-2]
        return self.inner(embeddings, conditions) + earlier


class WindowAhead(Recent):
    """Its windows begin at a frame and do not end there."""

    def forward(self, embeddings: Tensor, conditions: Tensor) -> Tensor:
        return self.inner(F.pad(embeddings, (0, 0, 0, 1)), F.pad(conditions, (0, 0, 0, 1)))[:, 1:]


class CentresOverTime(Recent):
    """Takes the mean over time off, so that a shorter sequence begins otherwise."""

    def forward(self, embeddings: Tensor, conditions: Tensor) -> Tensor:
        return self.inner(embeddings - embeddings.mean(1, keepdim=True), conditions)


class CountsCalls(Recent):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, embeddings: Tensor, conditions: Tensor) -> Tensor:
        self.calls += 1
        return super().forward(embeddings, conditions)


RIGHT = [Wrong, Recurrent, Recent]
WRONG = {
    LeaksTheFuture: "check_causal",
    StartsAtTheEnd: "check_causal",
    ForgetsItsState: "check_positions_matter",
    SeesOneFrameMore: "check_causal",
    WindowAhead: "check_causal",
    CentresOverTime: "check_a_shorter_window_gives_the_same_start",
    CountsCalls: "check_frozen_it_stays_as_it_is",
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
