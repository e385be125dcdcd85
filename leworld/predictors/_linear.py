"""Linear dynamics."""

from typing import final

import torch
from torch import Tensor, nn

from .._config import configurable
from ._recent import RecentFramesPredictor


@final
@configurable
class LinearPredictor(RecentFramesPredictor):
    """Predict the next embedding as a linear function of the last embeddings and conditions.

        zhat_t+1 = sum_i A_i z_t-i + sum_i B_i c_t-i + b,    i = 0 .. history_size - 1

    Reach for it as the baseline that a larger predictor has to beat, for latents that shall be linear
    (Koopman), or where the matrix itself shall be looked at: its eigenvalues are the latent's time constants,
    and controllability is that of (A, B). Frames before the first count as zeros. Before training it predicts
    no change: A_0 is the identity and the other A are zero.

    Shapes:
        embeddings (batch, time, embedding_dim), conditions (batch, time, condition_dim) ->
        (batch, time, embedding_dim), for any time from 1; an output sees the last history_size frames.

    Args:
        embedding_dim: Size of an embedding.
        history_size: Number of frames that it sees. More than one are needed where a single embedding does
            not tell velocities.
        condition_dim: Size of an action embedding, or of a raw action block; embedding_dim when None.

    Attributes:
        linear: Weight [A_H-1 .. A_0, B_H-1 .. B_0], oldest first, and bias b.

    Raises:
        ConfigError: If a size is below 1.
        ShapeError: If an axis has another size than it was built for, or there is no frame.

    Randomness: B and b start as torch's linear layers do, by its global generator.

    Example:
        ```python
        import torch
        from leworld.predictors import LinearPredictor

        predictor = LinearPredictor(8, condition_dim=3)
        torch.nn.init.zeros_(predictor.linear.bias)
        embeddings = torch.randn(2, 5, 8)
        assert torch.allclose(predictor(embeddings, torch.zeros(2, 5, 3)), embeddings)
        ```
    """

    def __init__(
        self, embedding_dim: int, history_size: int = 1, *, condition_dim: int | None = None
    ) -> None:
        super().__init__(embedding_dim, history_size, condition_dim)
        seen = history_size * embedding_dim
        self.linear = nn.Linear(seen + history_size * self.condition_dim, embedding_dim)
        with torch.no_grad():
            nn.init.zeros_(self.linear.weight[:, :seen])
            nn.init.eye_(self.linear.weight[:, seen - embedding_dim : seen])

    def _predict(self, frames: Tensor, conditions: Tensor) -> Tensor:
        return self.linear(torch.cat([frames.flatten(-2), conditions.flatten(-2)], dim=-1))
