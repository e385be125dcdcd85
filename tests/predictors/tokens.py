"""The token transformer seen as a predictor of vectors, so that the suites for these judge it."""

from typing import Any

from torch import Tensor

from leworld.nn import configurable
from leworld.predictors import IncrementalPredictor, TokenTransformerPredictor


@configurable
class FlatTokens(IncrementalPredictor):
    """Takes a vector of 6 numbers for two or three tokens, or for a single one."""

    slides = True

    def __init__(
        self,
        history_size: int,
        *,
        num_tokens: int = 2,
        conditioning: Any = "concatenate",
        dropout: float = 0.0,
    ):
        super().__init__()
        self.history_size, self.num_tokens = history_size, num_tokens
        self.inner = TokenTransformerPredictor(
            6 // num_tokens,
            num_tokens,
            history_size=history_size,
            condition_dim=5,
            conditioning=conditioning,
            depth=2,
            num_heads=2,
            head_dim=4,
            mlp_dim=12,
            dropout=dropout,
        )

    @property
    def can_extend(self) -> bool:
        return super().can_extend and self.inner.can_extend

    def forward(self, embeddings: Tensor, conditions: Tensor) -> Tensor:
        return self.inner(self.tokens(embeddings), conditions).flatten(2)

    def prepare(self, embeddings: Tensor, past_conditions: Tensor, conditions: Tensor) -> Any:
        return self.inner.prepare(self.tokens(embeddings), past_conditions, conditions)

    def extend(self, memory: Any, embeddings: Tensor) -> tuple[Tensor, Any]:
        output, memory = self.inner.extend(memory, self.tokens(embeddings))
        return output.flatten(2), memory

    def tokens(self, vectors: Tensor) -> Tensor:
        return vectors.unflatten(-1, (self.num_tokens, -1))
