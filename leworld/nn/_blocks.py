"""Transformer blocks: plain, and conditioned by AdaLN-zero."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .._checks import check_equal_size, check_number, plain_numbers
from .._typing import shapechecked
from ..errors import ConfigError
from ._adaln import AdaLNZero, _modulate
from ._attention import SelfAttention
from ._checks import check_last_axis
from ._mlp import MLP


@final
@plain_numbers
class TransformerBlock(nn.Module):
    """Self-attention and an MLP, each behind a LayerNorm and added to its input.

        x = x + Attention(LayerNorm(x))
        x = x + MLP(LayerNorm(x))

    This is the pre-norm block of the vision transformer, unless said otherwise: bidirectional, with biases
    and without dropout. With `layer_scale`, each component of the two branches is first multiplied by a
    learned number (LayerScale).

    Shapes:
        tokens (batch, token, dim) -> (batch, token, dim).

    Args:
        dim: Width of the tokens.
        num_heads: Number of attention heads; must divide dim.
        mlp_dim: Hidden width of the MLP.
        eps: Added to the variance in the LayerNorms; 1e-12 is what the released LeWM encoder uses.
        dropout: Probability of dropping activations of the MLP in training, and attention weights of the
            block's own attention.
        attention: An attention of another kind, such as a causal one, in place of the block's own. Its `dim`
            is the block's; `num_heads` is then not used.
        layer_scale: What the numbers of LayerScale begin at; None has none.

    Raises:
        ConfigError: If an argument is out of range, or `attention` is of another width.

    Source: Dosovitskiy et al., An Image is Worth 16x16 Words, 2020 (arXiv 2010.11929), equations 2 and 3;
    LayerScale is that of Touvron et al., 2021 (arXiv 2103.17239), equation 3.

    Example:
        ```python
        import torch
        from leworld.nn import TransformerBlock

        assert TransformerBlock(8, 2, mlp_dim=32)(torch.randn(1, 5, 8)).shape == (1, 5, 8)
        ```
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        mlp_dim: int,
        eps: float = 1e-12,
        dropout: float = 0.0,
        attention: SelfAttention | None = None,
        layer_scale: float | None = None,
    ) -> None:
        super().__init__()
        check_number("TransformerBlock", "dim", dim, low=1, integer=True)
        check_number("TransformerBlock", "eps", eps, low=0.0)
        if attention is not None and attention.dim != dim:
            raise ConfigError(
                "TransformerBlock needs an `attention` of its own width",
                f"`dim={dim}` and `attention.dim={attention.dim}`",
                "Build both with the same `dim`",
            )
        self.dim = dim
        self.attention_norm = nn.LayerNorm(dim, eps=eps)
        self.attention = SelfAttention(dim, num_heads, dropout=dropout) if attention is None else attention
        self.mlp_norm = nn.LayerNorm(dim, eps=eps)
        self.mlp = MLP(dim, mlp_dim, dropout=dropout)
        if layer_scale is not None:
            check_number("TransformerBlock", "layer_scale", layer_scale)
        for name in ("attention_scale", "mlp_scale"):
            start = None if layer_scale is None else nn.Parameter(torch.full((dim,), float(layer_scale)))
            self.register_parameter(name, start)

    @shapechecked
    def forward(self, tokens: Float[Tensor, "batch token dim"]) -> Float[Tensor, "batch token dim"]:
        """Transform the tokens."""
        check_last_axis("TransformerBlock", "tokens", tokens, self.dim, "dim")
        branch = self.attention(self.attention_norm(tokens))
        tokens = tokens + (branch if self.attention_scale is None else self.attention_scale * branch)
        branch = self.mlp(self.mlp_norm(tokens))
        return tokens + (branch if self.mlp_scale is None else self.mlp_scale * branch)


@final
@plain_numbers
class ConditionedBlock(nn.Module):
    """A causal transformer block whose branches a condition for each token shifts, scales and gates.

    With a1..a3 and m1..m3 the modulations of the attention and of the MLP, and N the LayerNorm without
    weights,

        x = x + a3 * Attention(LayerNorm(N(x) * (1 + a2) + a1))
        x = x + m3 * MLP(LayerNorm(N(x) * (1 + m2) + m1))

    The second LayerNorm, with weights, inside each branch is peculiar to the released LeWM predictor: it
    undoes the part of the modulation that is common to all components. Queries, keys and values have no bias.
    At the start all gates are zero and the block returns its input.

    Shapes:
        tokens (batch, token, dim), condition (batch, frame, condition_dim) -> (batch, token, dim), with
        token = frame * tokens_per_frame.

    Args:
        dim: Width of the tokens.
        num_heads: Number of attention heads.
        head_dim: Width of a head; num_heads * head_dim need not be dim.
        mlp_dim: Hidden width of the MLP.
        condition_dim: Size of the condition; dim when None.
        dropout: Probability of dropping attention weights and activations of the branches in training.
        tokens_per_frame: How many consecutive tokens share a condition, and see each other.

    Numerics: the LayerNorm without weights uses eps 1e-6, the ones inside the branches 1e-5, as released.

    Source: Maes et al., LeWorldModel, 2026 (arXiv 2603.19312), section 3.1 and the released layers;
    AdaLN-zero of Peebles and Xie, 2022 (arXiv 2212.09748).

    Example:
        ```python
        import torch
        from leworld.nn import ConditionedBlock

        block = ConditionedBlock(8, 2, head_dim=4, mlp_dim=32)
        tokens = torch.randn(1, 3, 8)
        assert torch.equal(block(tokens, torch.randn(1, 3, 8)), tokens)
        ```
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        head_dim: int,
        mlp_dim: int,
        condition_dim: int | None = None,
        dropout: float = 0.0,
        tokens_per_frame: int = 1,
    ) -> None:
        super().__init__()
        check_number("ConditionedBlock", "dim", dim, low=1, integer=True)
        self.dim = dim
        self.modulation = AdaLNZero(dim, dim if condition_dim is None else condition_dim)
        self.attention_norm = nn.LayerNorm(dim)
        self.attention = SelfAttention(
            dim,
            num_heads,
            head_dim=head_dim,
            bias=False,
            fused=True,
            causal=True,
            dropout=dropout,
            tokens_per_frame=tokens_per_frame,
        )
        self.mlp_norm = nn.LayerNorm(dim)
        self.mlp = MLP(dim, mlp_dim, dropout=dropout)

        self.tokens_per_frame = tokens_per_frame

    @shapechecked
    def forward(
        self, tokens: Float[Tensor, "batch token dim"], condition: Float[Tensor, "batch frame condition"]
    ) -> Float[Tensor, "batch token dim"]:
        """Transform the tokens under their conditions."""
        check_last_axis("ConditionedBlock", "tokens", tokens, self.dim, "dim")
        check_equal_size(
            "ConditionedBlock",
            "token of `tokens`",
            tokens.shape[1],
            condition.shape[1] * self.tokens_per_frame,
            expected_by="`condition` and its `tokens_per_frame`",
            fix="Pass one condition for every frame",
        )
        modulations = self.modulation(condition)
        if self.tokens_per_frame > 1:
            modulations = [one.repeat_interleave(self.tokens_per_frame, dim=1) for one in modulations]
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = modulations
        branch = self.attention(self.attention_norm(_modulate(_normalise(tokens), shift, scale)))
        tokens = torch.addcmul(tokens, gate, branch)
        branch = self.mlp(self.mlp_norm(_modulate(_normalise(tokens), mlp_shift, mlp_scale)))
        return torch.addcmul(tokens, mlp_gate, branch)


def _normalise(tokens: Tensor) -> Tensor:
    return F.layer_norm(tokens, tokens.shape[-1:], eps=1e-6)
