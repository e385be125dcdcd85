"""TemporalStraightening: paths of embeddings that keep their direction."""

from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .._checks import accumulation_dtype, check_number
from .._config import configurable
from .._typing import shapechecked
from ._trajectories import check_trajectories, finite_loss


@final
@configurable
class TemporalStraightening(nn.Module):
    """One minus the mean cosine between consecutive steps of an embedding path.

    A loss over trajectories, not a regularizer of samples: it takes a model's embeddings as they are and
    rewards straight paths, along which distances to a goal shrink steadily and planning by gradients works
    better. It sees directions only, neither speed nor scale, and does not resist collapse. Costs one pass.
    `leworld.metrics.temporal_straightness` reports the cosine itself.

        mean_bt 1 - v_bt . v_b,t+1 / (|v_bt| |v_b,t+1|),   v_bt = z_b,t+1 - z_bt

    over the pairs of steps that both move: 0 is a straight line, 1 a walk that forgets its direction, 2 going
    back and forth.

    Shapes: embeddings (*batch, time, dim) -> scalar; at least 3 time steps of one episode, in order.

    Args:
        min_speed: Steps of at most this length have no direction, and pairs with one are left out. At least
            0; 1e-6 as published.

    Raises:
        ShapeError: For fewer than 3 time steps, an empty axis, fewer than 2 axes, or integers.
        NonFiniteError: For NaN or infinite embeddings on a CPU; on an accelerator the result is NaN.
        ConfigError: For a negative `min_speed`.

    Numerics: float16 and bfloat16 are differenced and accumulated in float32; float64 stays float64. The
    gradient grows like one over the speed. When nothing moves, as at a collapse, value and gradient are 0.

    Source: Y. Wang et al., "Temporal Straightening for Latent Planning", arXiv 2603.12231, L_curv = 1 - C.
    Difference: without any moving pair the mean is 0 here and NaN in public code. stable-worldmodel's version
    returns -C and counts still steps as C = 0.

    Example:
        ```python
        import torch
        from leworld.regularizers import TemporalStraightening

        corner = torch.tensor([[0.0, 0.0], [2.0, 0.0], [2.0, 1.0]])
        assert TemporalStraightening()(corner) == 1
        ```
    """

    reads: ClassVar[str] = "trajectories"

    def __init__(self, min_speed: float = 1e-6) -> None:
        super().__init__()
        check_number("TemporalStraightening", "min_speed", min_speed, low=0)
        self.min_speed = min_speed

    @shapechecked
    def forward(
        self, embeddings: Float[Tensor, "*batch time dim"], *, generator: torch.Generator | None = None
    ) -> Float[Tensor, ""]:
        """Return one minus the mean cosine; `generator` is not used."""
        del generator
        check_trajectories("TemporalStraightening", embeddings, low=3)
        velocity = embeddings.to(accumulation_dtype(embeddings.dtype)).diff(dim=-2)
        # The largest component, kept out of the gradient, is divided by first: no square under- or overflows.
        largest = velocity.detach().abs().amax(-1, keepdim=True)
        scaled = velocity / torch.where(largest > 0, largest, 1.0)
        length = scaled.square().sum(-1, keepdim=True)
        moving = ~(length.sqrt() * largest <= self.min_speed)  # NaN moves, and so reaches the loss
        unit = scaled / torch.where(moving, length, 1.0).sqrt()
        both = (moving[..., :-1, :] & moving[..., 1:, :]).squeeze(-1)
        cosine = (unit[..., :-1, :] * unit[..., 1:, :]).sum(-1)
        bends = torch.where(both, 1 - cosine, 0.0)
        value = bends.sum() / both.sum().clamp(min=1)
        return finite_loss("TemporalStraightening", value, embeddings=embeddings)

    def extra_repr(self) -> str:
        """Show the settings."""
        return f"min_speed={self.min_speed}"
