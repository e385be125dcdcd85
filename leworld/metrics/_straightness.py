"""How straight embeddings travel through time."""

import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import check_finite, check_size, measured
from .._precision import back, double
from .._typing import shapechecked


@shapechecked
def temporal_straightness(embeddings: Float[Tensor, "*batch time dim"]) -> Float[Tensor, ""]:
    r"""Compute the mean cosine between consecutive velocities of embedding paths.

    1 is a straight line, 0 a walk that forgets its direction, -1 going back and forth. LeWM reports that it
    rises during training without a term for it. Costs one pass over the embeddings.

    $$ S = \operatorname{mean}_{b,t} \frac{v_{b,t} \cdot v_{b,t+1}}{\|v_{b,t}\| \, \|v_{b,t+1}\|}, \qquad
       v_{b,t} = z_{b,t+1} - z_{b,t} $$

    for t = 1 .. T-2 of each path b.

    Shapes:
        Any leading axes of paths; at least 3 time steps on the second-to-last axis; components on the last.

    Args:
        embeddings: Paths of equal length. Take windows out of longer episodes, none across two episodes.

    Returns:
        One float64 value between -1 and 1. A step that does not move has no direction, so pairs with such a
        step are left out of the mean; when none remains the value is NaN, which means undefined.

    Raises:
        ShapeError: Fewer than 3 time steps, an empty axis, or not floating-point.
        NonFiniteError: NaN or infinite entries.

    Numerics:
        float64, no gradients. A step counts as not moving when it is at most 16 machine epsilons of the
        input's dtype times the largest embedding norm, which is what rounding alone can make.

    Source:
        Maes et al., LeWorldModel, 2026, arXiv 2603.19312, appendix H, equation 9. Difference: steps that do
        not move are left out; there a cosine of a zero vector counts as 0.

    Example:
        ```python
        import torch
        from leworld.metrics import temporal_straightness

        line = torch.arange(5.0)[:, None] * torch.tensor([3.0, 4.0])
        square = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
        assert abs(float(temporal_straightness(line)) - 1.0) < 1e-12
        assert abs(float(temporal_straightness(square))) < 1e-12
        ```
    """
    fix = "Pass paths of at least 3 frames, time on the second-to-last axis"
    check_size("temporal_straightness", "embeddings", embeddings, -2, "time", low=3, fix=fix)
    check_size("temporal_straightness", "embeddings", embeddings, -1, "dim", low=1, fix=fix)
    for axis in range(embeddings.ndim - 2):
        check_size("temporal_straightness", "embeddings", embeddings, axis, "batch", low=1, fix=fix)
    check_finite("temporal_straightness", "embeddings", embeddings)
    paths = double(measured("temporal_straightness", "embeddings", embeddings))
    still = 16 * torch.finfo(embeddings.dtype).eps * paths.norm(dim=-1).max()
    velocity = paths.diff(dim=-2)
    speed = velocity.norm(dim=-1)
    direction = velocity / speed.where(speed > still, 1.0)[..., None]
    cosine = (direction[..., :-1, :] * direction[..., 1:, :]).sum(dim=-1)
    moving = (speed[..., :-1] > still) & (speed[..., 1:] > still)
    mean = cosine.where(moving, 0.0).sum() / moving.sum()  # NaN where nothing moves
    return back(mean, embeddings.device)
