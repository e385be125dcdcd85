"""The dynamics of TD-MPC2."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from .._config import configurable
from ..nn import NormedMLP
from ._recent import RecentFramesPredictor


@final
@configurable
class SimNormPredictor(RecentFramesPredictor):
    """Predict the next embedding from the last one alone, by a normalised perceptron that ends in SimNorm.

        zhat_t+1 = SimNorm(LayerNorm(Linear(MLP([z_t, c_t]))))

    Reach for it where a single latent tells the state, as in a `leworld.models.TDMPC2`, whose encoder ends in
    SimNorm as well. It predicts the latent itself and not its change.

    Shapes:
        embeddings (batch, time, embedding_dim), conditions (batch, time, condition_dim) ->
        (batch, time, embedding_dim), for any time from 1; an output sees its own frame only.

    Args:
        embedding_dim: Size of an embedding, a multiple of simnorm_dim.
        history_size: Frames of a training window but one: TD-MPC2 trains on rollouts of 3 steps.
        condition_dim: Size of an action embedding, or of a raw action block; embedding_dim when None.
        hidden_dims: Widths of the hidden layers.
        simnorm_dim: Size of the groups of `leworld.nn.SimNorm`.

    Raises:
        ConfigError: If a size is below 1, or simnorm_dim does not divide embedding_dim.
        ShapeError: If an axis has another size than it was built for, or there is no frame.

    Randomness: initial weights by torch's global generator, see `leworld.nn.NormedLinear`.

    Source: Hansen, Su and Wang, TD-MPC2, 2024 (arXiv 2310.16828), and its code.

    Example:
        ```python
        import torch
        from leworld.predictors import SimNormPredictor

        predictor = SimNormPredictor(8, condition_dim=3, hidden_dims=(16,))
        assert predictor(torch.rand(2, 5, 8), torch.randn(2, 5, 3)).sum(-1).allclose(torch.ones(2, 5))
        ```
    """

    def __init__(
        self,
        embedding_dim: int,
        history_size: int = 3,
        *,
        condition_dim: int | None = None,
        hidden_dims: Sequence[int] = (512, 512),
        simnorm_dim: int = 8,
    ) -> None:
        super().__init__(embedding_dim, history_size, condition_dim)
        self.window = 1
        self.network = NormedMLP(
            embedding_dim + self.condition_dim,
            embedding_dim,
            hidden_dims=hidden_dims,
            simnorm_dim=simnorm_dim,
        )

    def _predict(self, frames: Tensor, conditions: Tensor) -> Tensor:
        return self.network(torch.cat((frames[..., -1, :], conditions[..., -1, :]), dim=-1))
