"""An encoder that is one linear map."""

from typing import final

from jaxtyping import Float
from torch import Tensor, nn

from .._checks import check_equal_size, check_number
from .._config import configurable
from .._typing import shapechecked


@final
@configurable
class LinearEncoder(nn.Module):
    """Encode vectors, what an agent feels or an action block, by one linear map.

    Shapes:
        vectors (*batch, in_dim) -> (*batch, embedding_dim).

    Args:
        in_dim: Size of a vector.
        embedding_dim: Size of an embedding; 10 is DINO-WM's.

    Attributes:
        action_dim: in_dim, for models that take this as their action encoder.

    Raises:
        ConfigError: If a size is below 1.
        ShapeError: If the vectors have another size.

    Source: the released code of DINO-WM (Zhou et al., 2024, arXiv 2411.04983), where it is a convolution with
    kernel 1 over time and the paper calls it an MLP.

    Example:
        ```python
        import torch
        from leworld.encoders import LinearEncoder

        assert LinearEncoder(4)(torch.randn(2, 3, 4)).shape == (2, 3, 10)
        ```
    """

    def __init__(self, in_dim: int, embedding_dim: int = 10) -> None:
        super().__init__()
        check_number("LinearEncoder", "in_dim", in_dim, low=1, integer=True)
        check_number("LinearEncoder", "embedding_dim", embedding_dim, low=1, integer=True)
        self.output = nn.Linear(in_dim, embedding_dim)
        self.in_dim = in_dim
        self.action_dim = in_dim
        self.embedding_dim = embedding_dim

    @shapechecked
    def forward(self, vectors: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch embedding"]:
        """Encode the vectors."""
        check_equal_size(
            "LinearEncoder",
            "the last axis of `vectors`",
            vectors.shape[-1],
            self.in_dim,
            expected_by="its `in_dim`",
            fix="Pass vectors of the part, or action blocks of the frameskip, that it was built for",
        )
        return self.output(vectors)
