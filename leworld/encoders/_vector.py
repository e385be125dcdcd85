"""An encoder of vectors, such as joint angles."""

from typing import final

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .._checks import check_equal_size, check_number
from .._config import configurable
from .._typing import shapechecked


@final
@configurable
class VectorEncoder(nn.Module):
    """Encode vectors with one hidden layer: what an agent feels of itself, or a state.

        embedding = Linear(GELU(Linear(vector)))

    Shapes:
        vectors (*batch, in_dim) -> (*batch, embedding_dim).

    Args:
        in_dim: Size of a vector.
        embedding_dim: Size of an embedding.
        hidden_dim: Width in between.

    Raises:
        ConfigError: If a size is below 1.
        ShapeError: If the vectors have another size.

    Example:
        ```python
        import torch
        from leworld.encoders import VectorEncoder

        assert VectorEncoder(7, 16)(torch.randn(2, 7)).shape == (2, 16)
        ```
    """

    def __init__(self, in_dim: int, embedding_dim: int = 32, *, hidden_dim: int = 128) -> None:
        super().__init__()
        for name, value in (("in_dim", in_dim), ("embedding_dim", embedding_dim), ("hidden_dim", hidden_dim)):
            check_number("VectorEncoder", name, value, low=1, integer=True)
        self.widen = nn.Linear(in_dim, hidden_dim)
        self.output = nn.Linear(hidden_dim, embedding_dim)
        self.in_dim = in_dim
        self.embedding_dim = embedding_dim
        self.hidden_dim = hidden_dim

    @shapechecked
    def forward(self, vectors: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch embedding"]:
        """Encode the vectors."""
        check_equal_size(
            "VectorEncoder",
            "the last axis of `vectors`",
            vectors.shape[-1],
            self.in_dim,
            expected_by="its `in_dim`",
            fix="Pass vectors of the part that it was built for",
        )
        return self.output(F.gelu(self.widen(vectors)))
