"""The two-layer perceptron of a transformer block."""

from typing import final

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .._checks import check_number, plain_numbers
from .._typing import shapechecked
from ._checks import check_last_axis


@final
@plain_numbers
class MLP(nn.Module):
    """Widen, apply the exact GELU, and narrow again, each token on its own.

        MLP(x) = Linear_out(GELU(Linear_in(x)))

    with dropout after the GELU and after the output. GELU is the one with the error function, not its tanh
    approximation: the released LeWM weights need it.

    Shapes:
        tokens (*batch, dim) -> (*batch, dim).

    Args:
        dim: Width of the input and of the output.
        hidden_dim: Width in between.
        dropout: Probability of dropping an activation in training.

    Example:
        ```python
        import torch
        from leworld.nn import MLP

        assert MLP(8, 32)(torch.randn(2, 5, 8)).shape == (2, 5, 8)
        ```
    """

    def __init__(self, dim: int, hidden_dim: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        check_number("MLP", "dim", dim, low=1, integer=True)
        check_number("MLP", "hidden_dim", hidden_dim, low=1, integer=True)
        check_number("MLP", "dropout", dropout, low=0.0, high=1.0)
        self.widen = nn.Linear(dim, hidden_dim)
        self.narrow = nn.Linear(hidden_dim, dim)
        self.dim = dim
        self.dropout = dropout

    @shapechecked
    def forward(self, tokens: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """Transform each token."""
        check_last_axis("MLP", "tokens", tokens, self.dim, "dim")
        hidden = F.gelu(self.widen(tokens))
        if not (self.training and self.dropout):
            return self.narrow(hidden)
        hidden = F.dropout(hidden, self.dropout)
        return F.dropout(self.narrow(hidden), self.dropout)
