"""Whether a cost prefers the plan that is known to work, and whether it prefers anything at all."""

from dataclasses import dataclass
from typing import final

from jaxtyping import Float
from torch import Tensor

from .._checks import check_finite, check_size, check_unmapped, measured, plain_numbers
from .._precision import double
from .._typing import shapechecked


@final
@plain_numbers
@dataclass(frozen=True)
class PlanRank:
    """Where a cost puts the expert's plan among others, averaged over problems.

    Attributes:
        rank: Share of the other plans that cost less, equal ones counting half: 0 is best, 0.5 is chance.
        contrast: Standard deviation over mean of the others' costs; near 0 all plans look alike.
        num_problems: Problems that it was averaged over.

    Example:
        ```python
        from leworld.metrics import PlanRank

        assert PlanRank(rank=0.02, contrast=0.4, num_problems=100).rank < 0.5
        ```
    """

    rank: float
    contrast: float
    num_problems: int


@shapechecked
def plan_rank(expert: Float[Tensor, " problem"], others: Float[Tensor, "problem plan"]) -> PlanRank:
    r"""Compute the rank of the expert's plan among others by cost, and the contrast of the others' costs.

    The offline figure for a planner: it needs recorded episodes and no environment, and it falls where the
    loss goes on sinking while plans get no better. Costs one pass.

    $$ \text{rank} = \operatorname{mean}_{p, i} \big([c_{p,i} < c^*_p] + \tfrac12 [c_{p,i} = c^*_p]\big),
       \qquad \text{contrast} = \operatorname{mean}_p
       \frac{\sqrt{\operatorname{mean}_i (c_{p,i} - \bar c_p)^2}}{|\bar c_p|} $$

    with $c^*_p$ the cost of the expert's plan of problem p, $c_{p,i}$ those of the others and $\bar c_p$
    their mean. The rank is one minus the area under the ROC curve, problem by problem.

    Args:
        expert: Cost of the plan that is known to reach the goal of each problem.
        others: Costs of other plans for the same start and goal, at least 2.

    Returns:
        Rank and contrast; a problem whose costs are all 0 has contrast 0.

    Raises:
        ShapeError: No problem, fewer than 2 other plans, or other numbers of problems.
        NonFiniteError: NaN or infinite costs.

    Numerics:
        float64, no gradients.

    Source:
        The thresholds that users of LeWM on a robot work with (contrast at horizon 5 above 0.3) are theirs
        and no more than that.

    Example:
        ```python
        import torch
        from leworld.metrics import plan_rank

        found = plan_rank(torch.tensor([1.0]), torch.tensor([[0.5, 2.0, 2.0, 3.5]]))
        assert found.rank == 0.25 and abs(found.contrast - 1.125**0.5 / 2) < 1e-9
        ```
    """
    fix = "Pass the costs of several plans for each problem"
    check_unmapped("plan_rank", expert=expert, others=others)
    check_size("plan_rank", "others", others, 0, "problem", low=1, fix=fix)
    check_size("plan_rank", "others", others, 1, "plan", low=2, fix=fix)
    check_finite("plan_rank", "expert", expert)
    check_finite("plan_rank", "others", others)
    best = double(measured("plan_rank", "expert", expert))[:, None]
    costs = double(measured("plan_rank", "others", others)).to(best.device)
    below = (costs < best).double() + 0.5 * (costs == best).double()
    mean = costs.mean(dim=1).abs()
    spread = costs.std(dim=1, correction=0)
    contrast = (spread / mean.where(mean > 0, 1.0)).where(mean > 0, 0.0)
    return PlanRank(rank=float(below.mean()), contrast=float(contrast.mean()), num_problems=len(costs))
