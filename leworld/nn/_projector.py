"""The BatchNorm projector that follows the encoder and the predictor."""

import math
from typing import final

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .._checks import check_number
from .._config import configurable
from .._transforms import readable
from .._typing import shapechecked
from ..errors import ConfigError, ShapeError
from ._checks import check_last_axis
from ._reprelu import rectify as rectified


@final
@configurable
class Projector(nn.Module):
    """Map embeddings through one hidden layer with BatchNorm, so that no LayerNorm fixes their norm.

        Projector(x) = Linear_out(GELU(BatchNorm(Linear_in(x))))

    A vision transformer ends in a LayerNorm, which holds every embedding on an ellipsoid and fights a loss
    that asks for a Gaussian; the projector lifts that. LeWM has one behind its encoder and one behind its
    predictor.

    In training BatchNorm uses the mean and standard deviation over all leading axes together, so the output
    of one sample depends on the others and at least two are needed. In evaluation it uses running averages.

    Shapes:
        embeddings (*batch, in_dim) -> (*batch, out_dim); all leading axes are one batch to BatchNorm.

    Args:
        in_dim: Size of an incoming embedding.
        out_dim: Size of an outgoing embedding; in_dim when None.
        hidden_dim: Width of the hidden layer; 2048 is the released one.
        rectify: Whether a `RepReLU` follows, for embeddings that are sparse and not negative (LpWM).

    Raises:
        ShapeError: If the last axis is not in_dim, there is no sample, or only one in training.

    Numerics: BatchNorm accumulates in float32 under autocast. GELU is the exact one (error function).

    Source: Maes et al., LeWorldModel, 2026 (arXiv 2603.19312), section 3.1 ("1-layer MLP with BatchNorm");
    sizes and order of layers as released.

    Example:
        ```python
        import torch
        from leworld.nn import Projector

        projector = Projector(8, 4, hidden_dim=16).eval()
        assert projector(torch.randn(2, 3, 8)).shape == (2, 3, 4)
        ```
    """

    def __init__(
        self, in_dim: int, out_dim: int | None = None, *, hidden_dim: int = 2048, rectify: bool = False
    ) -> None:
        super().__init__()
        out_dim = in_dim if out_dim is None else out_dim
        for name, value in (("in_dim", in_dim), ("out_dim", out_dim), ("hidden_dim", hidden_dim)):
            check_number("Projector", name, value, low=1, integer=True)
        self.widen = nn.Linear(in_dim, hidden_dim)
        self.norm = nn.BatchNorm1d(hidden_dim)
        self.narrow = nn.Linear(hidden_dim, out_dim)
        self.in_dim = in_dim
        self.out_dim = out_dim
        self.rectify = rectify

    @shapechecked
    def forward(self, embeddings: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch projected"]:
        """Project the embeddings."""
        check_last_axis("Projector", "embeddings", embeddings, self.in_dim, "in_dim")
        if self.training and not readable(embeddings):
            raise ConfigError(
                "Projector under torch.func.vmap needs evaluation mode, as BatchNorm keeps one running mean",
                "it is in training mode",
                "Call `.eval()` first, or put the mapped axis into the batch",
            )
        leading = embeddings.shape[:-1]
        samples = math.prod(leading)
        if samples < (2 if self.training else 1):
            raise ShapeError(
                "Projector in training mode needs at least 2 samples, as BatchNorm compares them"
                if self.training
                else "Projector needs at least 1 sample",
                f"`embeddings` has shape {tuple(embeddings.shape)}, i.e. {samples} in all",
                "Use a larger batch, or call `.eval()` first, which uses the running statistics",
            )
        hidden = F.gelu(self.norm(self.widen(embeddings.reshape(samples, self.in_dim))))
        projected = self.narrow(hidden).reshape(*leading, self.out_dim)
        return rectified(projected) if self.rectify else projected
