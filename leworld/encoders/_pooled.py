"""A vector out of an encoder of tokens."""

from typing import Any, Literal, final

from jaxtyping import Float
from torch import Tensor, nn

from .._checks import check_choice, check_number, describe
from .._config import configurable
from ..errors import ConfigError, ShapeError
from ._attention_pooling import AttentionPooling

_POOLINGS = ("mean", "max", "attention")


@final
@configurable
class PooledTokens(nn.Module):
    """Turn an encoder that returns tokens into one that returns a vector.

    | pooling | result |
    |---|---|
    | "mean" | the mean of the tokens |
    | "max" | of each component the largest among the tokens |
    | "attention" | Linear(sum_j softmax_j(q . key_j / sqrt(head_dim)) value_j), with a learned q, by heads |

    The order of the tokens says nothing to any of them: where a thing is must be in the tokens themselves.

    Shapes:
        whatever the encoder takes -> (batch, embedding_dim), with the encoder's embedding_dim.

    Args:
        encoder: Returns (batch, token, dim), and says dim as `embedding_dim` and token as `num_tokens`.
        pooling: "mean", "max" or "attention".
        num_heads: Number of heads of "attention"; has to divide the encoder's embedding_dim.

    Attributes:
        observation_parts: The encoder's, if it has some.

    Raises:
        ConfigError: If the encoder does not say its sizes, or an option is unknown or out of range.
        ShapeError: If the encoder returns something else than it says.

    Source: attention with one learned query as in Lee et al., Set Transformer, 2018 (arXiv 1810.00825),
    section 3.2, without the layers around.

    Example:
        ```python
        import torch
        from leworld.encoders import PooledTokens, ResNetEncoder

        tokens = ResNetEncoder(32, 8, blocks=(1, 1, 1, 1), width=8, stem="small", pooling="tokens")
        encoder = PooledTokens(tokens, pooling="attention", num_heads=2)
        assert encoder(torch.randn(2, 3, 32, 32)).shape == (2, encoder.embedding_dim) == (2, 8)
        ```
    """

    def __init__(
        self,
        encoder: nn.Module,
        pooling: Literal["mean", "max", "attention"] = "mean",
        *,
        num_heads: int = 1,
    ) -> None:
        super().__init__()
        check_choice("PooledTokens", "pooling", pooling, _POOLINGS)
        size, tokens = (getattr(encoder, name, None) for name in ("embedding_dim", "num_tokens"))
        if not isinstance(encoder, nn.Module) or not isinstance(size, int) or not isinstance(tokens, int):
            raise ConfigError(
                "PooledTokens needs an encoder that says its `embedding_dim` and its `num_tokens`",
                f"it is a {type(encoder).__name__}, which says {size!r} and {tokens!r}",
                "Pass an encoder of tokens; one that returns a vector needs no pooling",
            )
        check_number("PooledTokens", "num_heads", num_heads, low=1, integer=True)
        self.encoder = encoder
        self.embedding_dim = size
        self.pooling = pooling
        self.attention = None
        if pooling == "attention":
            self.attention = AttentionPooling("PooledTokens", self.embedding_dim, num_heads)
        parts: Any = getattr(encoder, "observation_parts", None)
        if parts is not None:
            self.observation_parts: tuple[str, ...] = tuple(parts)

    def forward(self, observation: Any) -> Float[Tensor, "batch dim"]:
        """Encode and pool.

        Args:
            observation: What the encoder takes.
        """
        tokens = self.encoder(observation)
        if not isinstance(tokens, Tensor) or tokens.ndim != 3 or tokens.shape[-1] != self.embedding_dim:
            raise ShapeError(
                f"PooledTokens needs its encoder to return (batch, token, {self.embedding_dim})",
                f"it returned {describe(tokens)}",
                "Make its `embedding_dim` say the size of a token",
            )
        if self.attention is not None:
            return self.attention(tokens)
        return tokens.mean(1) if self.pooling == "mean" else tokens.amax(1)
