"""Multi-head self-attention, bidirectional or causal."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .._checks import check_number, plain_numbers
from .._transforms import fused_attention
from .._typing import shapechecked
from ..errors import ConfigError, ShapeError
from ._checks import check_last_axis

_FEW = 4


@final
@plain_numbers
class SelfAttention(nn.Module):
    """Let every token gather values from the others, weighted by how well its query matches their keys.

    For each head, with query q, key k, value v of width head_dim,

        output_i = sum_j softmax_j(q_i . k_j / sqrt(head_dim)) v_j,

    over all j, or over j <= i when causal; the heads are joined and mapped back to dim by a linear layer.
    Where a frame has several tokens, `tokens_per_frame`, causal means by frame: a token sees all tokens of
    its own frame and of earlier ones.

    Shapes:
        tokens (batch, token, dim) -> (batch, token, dim).

    Args:
        dim: Width of the tokens.
        num_heads: Number of heads.
        head_dim: Width of a head; dim / num_heads when None, and then num_heads must divide dim.
        bias: Whether queries, keys and values have a bias. The output always has one.
        fused: Hold queries, keys and values in one linear layer `qkv`, or in three. The numbers are the same;
            the released LeWM checkpoints fuse them in the predictor and not in the image encoder.
        causal: Whether a token sees only itself and earlier ones.
        dropout: Probability of dropping an attention weight, and a component of the output, in training.
        tokens_per_frame: How many consecutive tokens are one frame; matters for a causal one only.

    Raises:
        ConfigError: If num_heads does not divide dim while head_dim is None.
        ShapeError: If the tokens of a causal one are no whole frames.

    Numerics: with more than a few tokens torch's fused kernel attends, whose gradient torch cannot
    differentiate again; `torch.nn.attention.sdpa_kernel(SDPBackend.MATH)` around the call lets it. Within
    torch.func and forward mode the formula is taken anyway. By frame, the queries of each frame attend to
    what they may see, so that no mask is made and nothing that is hidden is computed.

    Source: Vaswani et al., Attention Is All You Need, 2017 (arXiv 1706.03762), section 3.2.

    Example:
        ```python
        import torch
        from leworld.nn import SelfAttention

        attention = SelfAttention(8, 2, causal=True).eval()
        tokens = torch.randn(1, 3, 8)
        longer = torch.cat([tokens, torch.randn(1, 1, 8)], dim=1)
        assert torch.allclose(attention(tokens), attention(longer)[:, :3], atol=1e-6)
        ```
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        head_dim: int | None = None,
        bias: bool = True,
        fused: bool = False,
        causal: bool = False,
        dropout: float = 0.0,
        tokens_per_frame: int = 1,
    ) -> None:
        super().__init__()
        check_number("SelfAttention", "dim", dim, low=1, integer=True)
        check_number("SelfAttention", "tokens_per_frame", tokens_per_frame, low=1, integer=True)
        check_number("SelfAttention", "num_heads", num_heads, low=1, integer=True)
        check_number("SelfAttention", "dropout", dropout, low=0.0, high=1.0)
        if head_dim is None:
            if dim % num_heads:
                raise ConfigError(
                    "SelfAttention needs `num_heads` to divide `dim`",
                    f"`dim={dim}` and `num_heads={num_heads}`",
                    "Change one of them, or set `head_dim`",
                )
            head_dim = dim // num_heads
        check_number("SelfAttention", "head_dim", head_dim, low=1, integer=True)
        width = num_heads * head_dim
        if fused:
            self.qkv = nn.Linear(dim, 3 * width, bias=bias)
        else:
            self.query = nn.Linear(dim, width, bias=bias)
            self.key = nn.Linear(dim, width, bias=bias)
            self.value = nn.Linear(dim, width, bias=bias)
        self.output = nn.Linear(width, dim)
        self.dim = dim
        self.num_heads = num_heads
        self.fused = fused
        self.causal = causal
        self.dropout = dropout
        self.tokens_per_frame = tokens_per_frame

    @shapechecked
    def forward(self, tokens: Float[Tensor, "batch token dim"]) -> Float[Tensor, "batch token dim"]:
        """Mix the tokens."""
        check_last_axis("SelfAttention", "tokens", tokens, self.dim, "dim")
        if self.fused:
            projections = self.qkv(tokens).chunk(3, dim=-1)
        else:
            projections = (self.query(tokens), self.key(tokens), self.value(tokens))
        query, key, value = (p.unflatten(-1, (self.num_heads, -1)) for p in projections)
        dropout = self.dropout if self.training else 0.0
        if self.causal and self.tokens_per_frame > 1:
            mixed = _attend_frames(query, key, value, self.tokens_per_frame, dropout)
        else:
            few = tokens.shape[1] <= _FEW and tokens.device.type == "cpu"
            mixed = (_attend_few if few else _attend)(query, key, value, self.causal, dropout)
        output = self.output(mixed.flatten(2))
        return F.dropout(output, dropout) if dropout else output


def _attend(query: Tensor, key: Tensor, value: Tensor, causal: bool, dropout: float) -> Tensor:
    """Attend with torch's fused kernel; all tensors are (batch, token, head, head_dim)."""
    query, key, value = (tensor.transpose(1, 2) for tensor in (query, key, value))
    mixed = fused_attention(query, key, value, is_causal=causal, dropout_p=dropout)
    return mixed.transpose(1, 2)


def _attend_frames(query: Tensor, key: Tensor, value: Tensor, size: int, dropout: float) -> Tensor:
    """Attend frame by frame to all tokens of this and earlier frames; a frame is `size` tokens."""
    count = query.shape[1]
    if count % size:
        raise ShapeError(
            f"SelfAttention needs whole frames of `tokens_per_frame={size}` tokens",
            f"`tokens` has token={count}",
            "Pass all tokens of each frame, frame after frame",
        )
    ends = range(size, count + 1, size)
    mixed = [
        _attend(query[:, end - size : end], key[:, :end], value[:, :end], False, dropout) for end in ends
    ]
    return torch.cat(mixed, dim=1)


def _attend_few(query: Tensor, key: Tensor, value: Tensor, causal: bool, dropout: float) -> Tensor:
    """Attend by the formula: a world model has three tokens, torch's CPU kernel is made for hundreds."""
    scores = (query.unsqueeze(2) * key.unsqueeze(1)).sum(-1) * query.shape[-1] ** -0.5
    if causal:
        tokens = query.shape[1]
        future = torch.ones(tokens, tokens, dtype=torch.bool, device=query.device).triu(1)
        scores = scores.masked_fill(future.unsqueeze(-1), float("-inf"))
    weights = scores.softmax(dim=2)
    if dropout:
        weights = F.dropout(weights, dropout)
    return (weights.unsqueeze(-1) * value.unsqueeze(1)).sum(2)
