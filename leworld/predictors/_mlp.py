"""A perceptron on a window of frames."""

from typing import Literal, final

from torch import Tensor, nn
from torch.nn import functional as F

from .._checks import check_choice, check_number
from .._config import configurable
from ..nn import Conditioning
from ._recent import RecentFramesPredictor


@final
@configurable
class MLPPredictor(RecentFramesPredictor):
    """Predict the change of the embedding with a perceptron on the last embeddings and conditions.

        x_0      = [z_t-H+1, .., z_t],   c = [c_t-H+1, .., c_t]
        x_i+1    = GELU(Linear_i(Conditioning_i(x_i, c))),   i = 0 .. depth - 1
        zhat_t+1 = z_t + Linear(Conditioning_depth(x_depth, c))

    Reach for it where a frame, or a few, tell the state: it is the cheapest predictor that is not linear, and
    a rollout costs the same at every step. All frames of the window enter at once, the oldest first; those
    before the first count as zeros.

    Shapes:
        embeddings (batch, time, embedding_dim), conditions (batch, time, condition_dim) ->
        (batch, time, embedding_dim), for any time from 1; an output sees the last history_size frames.

    Args:
        embedding_dim: Size of an embedding.
        history_size: Number of frames H that it sees.
        condition_dim: Size of an action embedding, or of a raw action block; embedding_dim when None.
        hidden_dim: Width of the hidden layers.
        depth: Number of hidden layers.
        conditioning: How the conditions of the window meet what enters each layer, see
            `leworld.nn.Conditioning`. "adaln" also normalises what enters.

    Raises:
        ConfigError: If a size is below 1 or the conditioning unknown.
        ShapeError: If an axis has another size than it was built for, or there is no frame.

    Randomness: torch's usual initial weights, by its global generator; scales and shifts start at zero.

    Example:
        ```python
        import torch
        from leworld.predictors import MLPPredictor

        predictor = MLPPredictor(8, 2, condition_dim=3, hidden_dim=16, conditioning="film")
        assert predictor(torch.randn(2, 5, 8), torch.randn(2, 5, 3)).shape == (2, 5, 8)
        ```
    """

    def __init__(
        self,
        embedding_dim: int,
        history_size: int = 3,
        *,
        condition_dim: int | None = None,
        hidden_dim: int = 512,
        depth: int = 2,
        conditioning: Literal["concatenate", "film", "adaln"] = "concatenate",
    ) -> None:
        super().__init__(embedding_dim, history_size, condition_dim)
        check_number("MLPPredictor", "hidden_dim", hidden_dim, low=1, integer=True)
        check_number("MLPPredictor", "depth", depth, low=1, integer=True)
        check_choice("MLPPredictor", "conditioning", conditioning, ("concatenate", "film", "adaln"))
        told = history_size * self.condition_dim
        self.conditionings, self.layers = nn.ModuleList(), nn.ModuleList()
        width = history_size * embedding_dim
        for i in range(depth + 1):
            join = Conditioning(width, told, kind=conditioning)
            width = hidden_dim if i < depth else embedding_dim
            self.conditionings.append(join)
            self.layers.append(nn.Linear(join.out_dim, width))

    def _predict(self, frames: Tensor, conditions: Tensor) -> Tensor:
        values, told = frames.flatten(-2), conditions.flatten(-2)
        for i, (layer, join) in enumerate(zip(self.layers, self.conditionings, strict=True)):
            values = layer(join(F.gelu(values) if i else values, told))
        return frames[..., -1, :] + values
