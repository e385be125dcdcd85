"""Latents on simplices, of any encoder."""

from typing import Any, final

from jaxtyping import Float
from torch import Tensor, nn

from .._checks import check_number, describe
from .._config import configurable
from ..errors import ConfigError, ShapeError
from ..nn import NormedLinear


@final
@configurable
class SimNormAdapter(nn.Module):
    """Turn the vectors of any encoder into latents for a `leworld.models.TDMPC2`.

    A linear layer, LayerNorm and SimNorm behind the encoder: what `leworld.nn.NormedMLP` ends in for vectors.
    With it a backbone of one's own, or a `ConvEncoder` for small pictures, enters a TDMPC2.

    Shapes:
        whatever the encoder takes -> (batch, embedding_dim), in which each group of simnorm_dim sums to 1.

    Args:
        encoder: Returns vectors (batch, dim), and says dim as `embedding_dim`.
        embedding_dim: Size of a latent, a multiple of simnorm_dim.
        simnorm_dim: Size of the groups of `leworld.nn.SimNorm`.

    Attributes:
        observation_parts: The encoder's, if it has some.

    Raises:
        ConfigError: If the encoder does not say its size, or a size is out of range or does not divide.
        ShapeError: If the encoder returns something else than it says.

    Randomness: initial weights come from torch's global generator.

    Source: the last layer of the encoder of vectors in Hansen, Su and Wang, TD-MPC2, 2024 (arXiv 2310.16828).

    Example:
        ```python
        import torch
        from leworld.encoders import ConvEncoder, SimNormAdapter

        encoder = SimNormAdapter(ConvEncoder(image_size=32, embedding_dim=24), 16)
        latents = encoder(torch.randn(2, 3, 32, 32))
        assert latents.unflatten(1, (2, 8)).sum(-1).allclose(torch.ones(2, 2))
        ```
    """

    def __init__(self, encoder: nn.Module, embedding_dim: int, *, simnorm_dim: int = 8) -> None:
        super().__init__()
        size = getattr(encoder, "embedding_dim", None)
        if not isinstance(encoder, nn.Module) or not isinstance(size, int):
            raise ConfigError(
                "SimNormAdapter needs an encoder that says its `embedding_dim`",
                f"it is a {type(encoder).__name__}, which says {size!r}",
                "Pass an encoder that returns a vector; `PooledTokens` makes one of tokens",
            )
        check_number("SimNormAdapter", "embedding_dim", embedding_dim, low=1, integer=True)
        check_number("SimNormAdapter", "simnorm_dim", simnorm_dim, low=1, integer=True)
        self.encoder = encoder
        self.embedding_dim = embedding_dim
        self.output = NormedLinear(size, embedding_dim, simnorm_dim=simnorm_dim)
        parts: Any = getattr(encoder, "observation_parts", None)
        if parts is not None:
            self.observation_parts: tuple[str, ...] = tuple(parts)

    def forward(self, observation: Any) -> Float[Tensor, "batch dim"]:
        """Encode, and put the result on simplices.

        Args:
            observation: What the encoder takes.
        """
        vectors = self.encoder(observation)
        size = self.output.linear.in_features
        if not isinstance(vectors, Tensor) or vectors.ndim != 2 or vectors.shape[-1] != size:
            raise ShapeError(
                f"SimNormAdapter needs its encoder to return (batch, {size})",
                f"it returned {describe(vectors)}",
                "Make its `embedding_dim` say the size of its vectors",
            )
        return self.output(vectors)
