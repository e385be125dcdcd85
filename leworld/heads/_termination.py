"""Whether an episode is over."""

from collections.abc import Sequence
from typing import final

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .._checks import check_number
from .._config import configurable
from .._typing import shapechecked
from ..nn import NormedMLP
from ._scalar import joined


@final
@configurable
class TerminationHead(nn.Module):
    """Predict the probability that the episode ends with the arrival at a latent.

    It learns from `terminated` and never from `truncated`: an episode that was merely cut off has a value
    beyond its end. DreamerV3's continue head is 1 minus it.

    Shapes:
        latents (*batch, embedding_dim) -> (*batch).

    Args:
        embedding_dim: Size of a latent.
        hidden_dims: Widths of the hidden layers.

    Raises:
        ConfigError: If a size is below 1.
        ShapeError: If the latents have another size.

    Source: Hansen, Su and Wang, TD-MPC2, as in its code for episodic tasks (2025).

    Example:
        ```python
        import torch
        from leworld.heads import TerminationHead

        over = TerminationHead(8, hidden_dims=(16,))
        latents, terminated = torch.randn(4, 8), torch.tensor([0.0, 0.0, 1.0, 0.0])
        over.loss(latents, terminated).mean().backward()
        assert 0 < over(latents).min() and over(latents).max() < 1
        ```
    """

    def __init__(self, embedding_dim: int, *, hidden_dims: Sequence[int] = (512, 512)) -> None:
        super().__init__()
        check_number("TerminationHead", "embedding_dim", embedding_dim, low=1, integer=True)
        self.embedding_dim = embedding_dim
        self.network = NormedMLP(embedding_dim, 1, hidden_dims=hidden_dims)

    def forward(self, latents: Tensor) -> Float[Tensor, "*batch"]:
        """Return the probability of an end."""
        return self.logits(latents).sigmoid()

    @shapechecked
    def logits(self, latents: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch"]:
        """Return its logit."""
        return self.network(joined("TerminationHead", latents, None, self.embedding_dim, None)).squeeze(-1)

    @shapechecked
    def loss(
        self, latents: Float[Tensor, "*batch dim"], terminated: Float[Tensor, "*batch"]
    ) -> Float[Tensor, "*batch"]:
        """Return the binary cross-entropy, entry by entry.

        Args:
            latents: Those arrived at.
            terminated: 1 where the episode ended there by its own rule, else 0.
        """
        return F.binary_cross_entropy_with_logits(self.logits(latents), terminated, reduction="none")
