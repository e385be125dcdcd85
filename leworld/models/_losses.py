"""What a training step returns."""

from dataclasses import dataclass
from typing import final

from jaxtyping import Float
from torch import Tensor


@final
@dataclass(frozen=True)
class Losses:
    """The loss of one batch and its parts.

    Args:
        total: What to call `backward` on.
        prediction: Mean squared error of the predicted embeddings, with gradient.
        regularizer: The regularizer's value before its weight, with gradient.
        embeddings: The batch's embeddings without gradient, for logging spread, rank and collapse.

    Example:
        ```python
        import torch
        from leworld.models import Losses

        one = torch.ones(())
        losses = Losses(total=3 * one, prediction=one, regularizer=2 * one, embeddings=torch.zeros(2, 4, 8))
        assert losses.total == losses.prediction + losses.regularizer
        ```
    """

    total: Float[Tensor, ""]
    prediction: Float[Tensor, ""]
    regularizer: Float[Tensor, ""]
    embeddings: Float[Tensor, "batch time dim"]
