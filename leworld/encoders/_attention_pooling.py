"""Many tokens to one vector by a learned question."""

from typing import final

import torch
from torch import Tensor, nn

from .._checks import check_number
from .._transforms import fused_attention
from ..errors import ConfigError


@final
class AttentionPooling(nn.Module):
    """Return Linear(sum_j softmax_j(q . key_j / sqrt(head)) value_j) with a learned q, head by head.

    Args:
        owner: Whose errors these are.
        dim: Size of a token and of the result.
        num_heads: Number of heads; has to divide dim.
    """

    def __init__(self, owner: str, dim: int, num_heads: int) -> None:
        super().__init__()
        check_number(owner, "num_heads", num_heads, low=1, integer=True)
        if dim % num_heads:
            raise ConfigError(
                f"{owner} needs `num_heads` to divide the size of what it pools",
                f"`num_heads={num_heads}` and tokens of {dim} entries",
                "Change one of them",
            )
        self.num_heads = num_heads
        self.query = nn.Parameter(torch.randn(dim))
        self.key = nn.Linear(dim, dim, bias=False)  # one would add the same to the scores of all tokens
        self.value = nn.Linear(dim, dim)
        self.output = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Pool (batch, token, dim) to (batch, dim)."""
        key, value = (
            part(tokens).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for part in (self.key, self.value)
        )
        query = self.query.view(1, self.num_heads, 1, -1).expand(tokens.shape[0], -1, -1, -1)
        return self.output(fused_attention(query, key, value).flatten(1))
