"""Planning under constraints by an augmented Lagrangian."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, final

import torch
from torch import Tensor

from .._checks import check_number, describe
from .._counter import fixed_sum
from ..errors import ConfigError, ShapeError
from ._evaluator import Evaluator
from ._planner import Planner
from ._problem import Problem
from ._search_state import SearchState
from ._settings import check_counts
from ._wrappers import check_planner

Memory = tuple[Tensor | None, Tensor, Tensor]  # multipliers, and cost and violation of the best sequence


@final
class LagrangianPlanner(Planner[Memory]):
    r"""Minimises the cost subject to g(actions) <= 0, with any sampling planner inside.

    Reach for it when a limit must hold (a region to stay out of, an energy budget) and a penalty of fixed
    weight is either too weak or drowns the cost. Each round runs the inner planner on

        c(a) + penalty / 2 * sum_j [max(0, g_j(a) + m_j / penalty)^2 - (m_j / penalty)^2]

    and then sets m_j <- max(0, m_j + penalty * g_j) at the round's best sequence, and penalty <- growth
    penalty.

    The plan is the cheapest sequence with all g_j <= tolerance that was seen; where none was, the one whose
    largest g_j is smallest. `Plan.cost` is c alone. Check g at `Plan.actions` to know which of the two it is;
    `SearchState.converged`, hence `Outcome.converged`, says so too.

    Args:
        planner: Runs once a round. It has to be one that needs no gradient.
        constraint: `constraint(actions)`: (batch, sample, horizon, action) -> (batch, sample, constraint);
            not above 0 where the constraint holds. NaN counts as violated.
        num_rounds: Runs of the inner planner.
        penalty: First weight of the squared violation, in units of cost per squared g.
        growth: Its factor from round to round.
        tolerance: Largest g_j that counts as holding.

    Numerics:
        The result depends on the scale of the cost against the penalty, in the number of rounds it needs.

    Source:
        Hestenes, "Multiplier and gradient methods", 1969; for inequalities Nocedal and Wright, "Numerical
        Optimization", 2006, equations 17.57 to 17.64 with mu = 1 / penalty and lambda = m.

    Example:
        ```python
        from leworld.planners import CEMPlanner, LagrangianPlanner

        # the sum of the actions should be 2, but no more than 1 is allowed
        planner = LagrangianPlanner(
            CEMPlanner(horizon=2, num_samples=100, num_elites=10, num_iterations=10),
            lambda actions: actions.sum((2, 3)).unsqueeze(-1) - 1.0,
        )
        found = planner.plan(lambda actions: (actions.sum((2, 3)) - 2.0).square(), batch=1, action_dim=1)
        assert 0.95 < found.actions.sum().item() <= 1.001
        ```
    """

    keep_best = False

    def __init__(
        self,
        planner: Planner[Any],
        constraint: Callable[[Tensor], Tensor],
        *,
        num_rounds: int = 5,
        penalty: float = 10.0,
        growth: float = 2.0,
        tolerance: float = 1e-3,
    ) -> None:
        check_planner("LagrangianPlanner", "planner", planner)
        if not callable(constraint):
            raise ConfigError(
                "LagrangianPlanner needs `constraint` to be a function of the actions",
                f"it is {describe(constraint)}",
                "Pass a function that returns (batch, sample, constraint), at most 0 where all is well",
            )
        check_counts("LagrangianPlanner", num_rounds=num_rounds)
        check_number("LagrangianPlanner", "penalty", penalty, low=0, open_low=True)
        check_number("LagrangianPlanner", "growth", growth, low=1)
        check_number("LagrangianPlanner", "tolerance", tolerance, low=0)
        self.planner = planner
        self.constraint = constraint
        self.num_rounds = num_rounds
        self.penalty = penalty
        self.growth = growth
        self.tolerance = tolerance
        self.horizon = planner.horizon
        self.num_iterations = num_rounds

    def init(self, problem: Problem) -> SearchState[Memory]:
        """Start at the problem's first guess with multipliers of 0."""
        worst = problem.init.new_full((len(problem.init),), torch.inf)
        return SearchState(problem.init, torch.zeros_like(worst), worst < 0, (None, worst, worst))

    def step(
        self, problem: Problem, state: SearchState[Memory], evaluate: Evaluator, iteration: int
    ) -> SearchState[Memory]:
        """Run the inner planner once on the augmented cost, then update the multipliers."""
        multipliers, best_cost, best_violation = state.memory
        penalty = self.penalty * self.growth**iteration
        shift = None if multipliers is None else multipliers.unsqueeze(1) / penalty
        found = (state.actions, best_cost, best_violation)

        def augmented(actions: Tensor) -> Tensor:
            nonlocal found
            scored = evaluate(actions)
            limits = self._limits(scored.actions.to(problem.dtype)).to(scored.costs)
            found = self._better(found, scored.actions, scored.costs, limits.amax(2))
            shifted = limits if shift is None else limits + shift
            return scored.costs + 0.5 * penalty * fixed_sum(shifted.clamp(min=0).square(), 2)

        turn = replace(problem, init=state.actions, seeds=problem.seeds ^ iteration)
        search = Evaluator(augmented, turn, deadline=evaluate.deadline)
        inner = self.planner.init(turn)
        for inner_iteration in range(self.planner.num_iterations):
            if inner_iteration and evaluate.time_is_up():
                break
            inner = self.planner.step(turn, inner, search, inner_iteration)
        limits = self._limits(search.best_actions.unsqueeze(1).to(problem.dtype))[:, 0].to(problem.init)
        raised = limits * penalty if multipliers is None else multipliers + limits * penalty
        raised = torch.where(raised.isfinite(), raised, 0.0).clamp(min=0)
        actions, cost, violation = found
        memory = (raised, cost, violation)
        return SearchState(actions, inner.std, violation <= self.tolerance, memory, cost=cost)

    def _limits(self, actions: Tensor) -> Tensor:
        limits = self.constraint(actions)
        expected = tuple(actions.shape[:2])
        if not isinstance(limits, Tensor) or limits.ndim != 3 or tuple(limits.shape[:2]) != expected:
            raise ShapeError(
                f"LagrangianPlanner needs `constraint` -> (batch, sample, constraint) = {(*expected, 'n')}",
                f"it returned {describe(limits)}",
                "Stack the constraints on the last axis; a single one needs `[..., None]`",
            )
        return torch.where(limits.isnan(), torch.inf, limits)

    def _better(
        self, found: tuple[Tensor, Tensor, Tensor], actions: Tensor, costs: Tensor, violation: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Compare the best candidate with the best so far: what holds wins, then cost, else the violation."""
        old_actions, old_cost, old_violation = found
        holds = (violation <= self.tolerance) & costs.isfinite()
        any_holds = holds.any(1)
        by_cost = torch.where(holds, costs, torch.inf).argmin(1)
        by_violation = torch.where(costs.isfinite(), violation, torch.inf).argmin(1)
        pick = torch.where(any_holds, by_cost, by_violation)
        rows = torch.arange(len(pick), dtype=torch.int64, device=pick.device)
        cost, worst = costs[rows, pick], violation[rows, pick]
        old_holds = old_violation <= self.tolerance
        better = torch.where(old_holds, any_holds & (cost < old_cost), any_holds | (worst < old_violation))
        return (
            torch.where(better[:, None, None], actions[rows, pick], old_actions),
            torch.where(better, cost, old_cost),
            torch.where(better, worst, old_violation),
        )
