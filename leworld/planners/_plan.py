"""What planning returns: the actions, their cost, and how the search went."""

import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .._counter import fixed_sum
from ._outcome import Outcome
from ._short import span


@final
@dataclass(frozen=True, eq=False)
class Trace:
    """How a search went, iteration by iteration; computed from the costs of all calls when it is read.

    Attributes:
        costs: Of every call of the cost (batch, sample), infinite where they were not finite.
        calls: After each iteration, how many calls there had been; later ones belong to none.
        stds: After each iteration the planner's `SearchState.std`.
        num_evaluations: Sequences shown to the cost for every row, over the whole search.

    Example:
        ```python
        from leworld.planners import CEMPlanner

        planner = CEMPlanner(horizon=2, num_samples=32, num_elites=4, num_iterations=5)
        trace = planner.plan(lambda actions: actions.square().sum((2, 3)), batch=3, action_dim=1).trace
        assert trace.best_cost.shape == (3, 5)
        assert (trace.std[:, -1] < trace.std[:, 0]).all()
        ```
    """

    costs: tuple[Float[Tensor, "batch sample"], ...]
    calls: tuple[int, ...]
    stds: tuple[Tensor | float, ...]
    num_evaluations: int

    def __repr__(self) -> str:
        return f"Trace({len(self.calls)} iterations, {self.num_evaluations} evaluations)"

    @cached_property
    def best_cost(self) -> Float[Tensor, "batch iteration"]:
        """Lowest finite cost seen up to and including each iteration; infinite while there is none."""
        nothing = self.costs[0].new_full((len(self.costs[0]),), math.inf)
        lowest = [costs.amin(1) if costs.shape[1] else nothing for costs in self.costs]
        return torch.stack([nothing, *lowest], dim=1).cummin(1).values[:, list(self.calls)]

    @cached_property
    def mean_cost(self) -> Float[Tensor, "batch iteration"]:
        """Mean of the finite costs of each iteration's last call; NaN where there were none."""
        shown = [self.costs[call - 1] if call else self.costs[0][:, :0] for call in self.calls]
        finite = [costs.isfinite() for costs in shown]
        sums = [
            fixed_sum(torch.where(mask, costs, 0.0), 1) for mask, costs in zip(finite, shown, strict=True)
        ]
        counts = [mask.sum(1) for mask in finite]
        means = torch.stack(sums, dim=1) / torch.stack(counts, dim=1)
        if bool(means.isinf().any()):  # finite costs whose sum is not
            shares = [
                fixed_sum(torch.where(mask, costs / count.clamp(min=1).unsqueeze(1), 0.0), 1)
                for mask, costs, count in zip(finite, shown, counts, strict=True)
            ]
            means = torch.where(means.isinf(), torch.stack(shares, dim=1), means)
        return means

    @cached_property
    def std(self) -> Float[Tensor, "batch iteration"]:
        """Root mean square standard deviation of the planner's search distribution after each iteration."""
        rows = self.costs[0].new_ones((len(self.costs[0]),))
        return torch.stack(
            [root_mean_square(std) if isinstance(std, Tensor) else std * rows for std in self.stds], dim=1
        )

    @cached_property
    def num_non_finite(self) -> Int[Tensor, " batch"]:
        """How many costs of the whole search were NaN or infinite, by row."""
        return torch.stack([costs.isinf().sum(1) for costs in self.costs], dim=1).sum(1)


def root_mean_square(stds: Tensor) -> Tensor:
    """Return one spread a row from the standard deviations (batch, ...)."""
    if stds.ndim == 1:
        return stds
    flat = stds.flatten(1)
    return (fixed_sum(flat.square(), 1) / flat.shape[1]).sqrt()


@final
@dataclass(frozen=True)
class Plan:
    """A planned action sequence for every row of the batch.

    Attributes:
        actions: The plan, inside the bounds if there were any.
        cost: What the cost function said about these very actions, float64 if it answered in float64, else in
            the dtype of the search; NaN where no cost was finite.
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

    def __repr__(self) -> str:
        ends = Counter(outcome.name for outcome in self.outcome)
        return (
            f"Plan(actions {tuple(self.actions.shape)}, cost {span(self.cost)}, "
            f"{', '.join(f'{name} {count}' for name, count in ends.items())}, "
            f"{self.trace.num_evaluations} evaluations)"
        )
