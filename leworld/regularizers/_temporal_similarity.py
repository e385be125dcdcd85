"""TemporalSimilarity: neighbouring frames, neighbouring embeddings."""

from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .._checks import accumulation_dtype
from .._config import configurable
from .._typing import shapechecked
from ._trajectories import check_trajectories, finite_loss


@final
@configurable
class TemporalSimilarity(nn.Module):
    """Mean squared step of embeddings from one frame to the next.

    A loss over trajectories, not a regularizer of samples: it takes a model's embeddings as they are and
    rewards slow ones. PLDM adds it to terms against collapse; alone it **is** a pull towards collapse, where
    it is 0 and its gradient vanishes. Costs one pass.

        mean_btd (z_b,t+1,d - z_b,t,d)^2

    Shapes: embeddings (*batch, time, dim) -> scalar; at least 2 time steps of one episode, in order.

    Raises:
        ShapeError: For fewer than 2 time steps, an empty axis, fewer than 2 axes, or integers.
        NonFiniteError: For NaN or infinite embeddings on a CPU; on an accelerator the result is NaN.

    Numerics: float16 and bfloat16 are differenced and accumulated in float32; float64 stays float64.

    Source: V. Sobal et al., "PLDM", arXiv 2502.14819, the term L_time-sim, averaged over coordinates as in
    its released code (`sim_loss_t`); the text adds coordinates up, which is dim times as much.

    Example:
        ```python
        import torch
        from leworld.regularizers import TemporalSimilarity

        embeddings = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [1.0, 2.0]]])
        assert TemporalSimilarity()(embeddings) == (1 + 0 + 0 + 4) / 4
        ```
    """

    reads: ClassVar[str] = "trajectories"

    def __init__(self) -> None:
        super().__init__()

    @shapechecked
    def forward(
        self, embeddings: Float[Tensor, "*batch time dim"], *, generator: torch.Generator | None = None
    ) -> Float[Tensor, ""]:
        """Return the mean squared step; `generator` is not used."""
        del generator
        check_trajectories("TemporalSimilarity", embeddings, low=2)
        paths = embeddings.to(accumulation_dtype(embeddings.dtype))
        value = paths.diff(dim=-2).square().mean()
        return finite_loss("TemporalSimilarity", value, embeddings=embeddings)
