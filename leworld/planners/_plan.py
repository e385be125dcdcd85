"""What planning returns: the actions, their cost, and how the search went."""

from dataclasses import dataclass
from typing import final

from jaxtyping import Float, Int
from torch import Tensor

from ._outcome import Outcome


@final
@dataclass(frozen=True)
class Trace:
    """How a search went, iteration by iteration.

    Attributes:
        best_cost: Lowest finite cost seen up to and including each iteration; infinite while there is none.
        mean_cost: Mean of the finite costs of each iteration's candidates; NaN where there were none.
        std: Root mean square standard deviation of the planner's search distribution after each iteration.
        num_evaluations: Sequences shown to the cost for every row, over the whole search.
        num_non_finite: How many of them had a NaN or infinite cost, by row.

    Example:
        ```python
        from leworld.planners import CEMPlanner

        planner = CEMPlanner(horizon=2, num_samples=32, num_elites=4, num_iterations=5)
        trace = planner.plan(lambda actions: actions.square().sum((2, 3)), batch=3, action_dim=1).trace
        assert trace.best_cost.shape == (3, 5)
        assert (trace.std[:, -1] < trace.std[:, 0]).all()
        ```
    """

    best_cost: Float[Tensor, "batch iteration"]
    mean_cost: Float[Tensor, "batch iteration"]
    std: Float[Tensor, "batch iteration"]
    num_evaluations: int
    num_non_finite: Int[Tensor, " batch"]


@final
@dataclass(frozen=True)
class Plan:
    """A planned action sequence for every row of the batch.

    Attributes:
        actions: The plan, inside the bounds if there were any.
        cost: What the cost function said about these very actions; NaN where no cost was finite.
        outcome: How each row's search ended.
        trace: How the search went.
        elites: Sequences that the planner would try again, best first, or None. `ICEMPlanner` takes them up
            in its next call: pass `init=torch.cat((guess[:, None], elites), 1)`, all shifted by the steps
            that have been executed.

    Example:
        ```python
        import torch
        from leworld.planners import CEMPlanner

        cost = lambda actions: (actions - 0.5).square().sum((2, 3))
        plan = CEMPlanner(horizon=3, num_samples=64).plan(cost, batch=2, action_dim=1)
        assert torch.equal(plan.cost, cost(plan.actions[:, None])[:, 0])
        ```
    """

    actions: Float[Tensor, "batch horizon action"]
    cost: Float[Tensor, " batch"]
    outcome: tuple[Outcome, ...]
    trace: Trace
    elites: Float[Tensor, "batch elite horizon action"] | None = None
