"""Planning under constraints by an augmented Lagrangian."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, final

import torch
from torch import Tensor

from .._checks import check_number, describe, plain_numbers
from .._counter import fixed_sum
from ..errors import ConfigError
from ._evaluator import Evaluator
from ._gradient import GradientPlanner
from ._grasp import GRASPPlanner
from ._planner import Planner
from ._problem import Problem
from ._search_state import SearchState
from ._settings import check_counts
from ._wrappers import check_planner

Memory = Tensor | None  # multipliers
_HEAVIEST = 1e30  # penalty at which growth ends


@final
@plain_numbers
class LagrangianPlanner(Planner[Memory]):
    r"""Minimises the cost subject to g(actions) <= 0, with any sampling planner inside.

    Reach for it when a limit must hold (a region to stay out of, an energy budget) and a penalty of fixed
    weight is either too weak or drowns the cost. Each round runs the inner planner on

        c(a) + penalty / 2 * sum_j [max(0, g_j(a) + m_j / penalty)^2 - (m_j / penalty)^2]

    and then sets m_j <- max(0, m_j + penalty * g_j) at the round's best sequence, and penalty <- growth
    penalty.

    The plan is the cheapest sequence with all g_j <= tolerance that was seen; where none was, the one whose
    largest g_j is smallest, of those with a finite cost. `Plan.cost` is c alone. The outcome is `converged`
    where `Plan.actions` obeys, and never where it does not: `iteration_limit` (or `time_limit`) then says
    that nothing that obeys was found. Wrappers keep to the constraint too: what `BestSoFar`, `WarmStart`,
    `Refine` or another `LagrangianPlanner` around this one returns is the best that obeys.

    Args:
        planner: Runs once a round. It has to be one that needs no gradient.
        constraint: `constraint(actions)`: (batch, sample, horizon, action) -> (batch, sample, constraint);
            not above 0 where the constraint holds. NaN counts as violated. It gets a copy of the candidates.
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
        inside = _differentiating(planner)
        if inside is not None:
            raise ConfigError(
                "LagrangianPlanner needs a planner inside that asks for no gradient of the penalised cost",
                f"`planner` is or holds a {type(inside).__name__}",
                "Put a sampling planner such as CEMPlanner inside, and refine afterwards: "
                "Refine(LagrangianPlanner(...), GradientPlanner(...))",
            )
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

    def prepare(self, evaluate: Evaluator) -> None:
        """Require the constraint, and those of the planner inside."""
        evaluate.require(self.constraint, self.tolerance)
        self.planner.prepare(evaluate)

    def init(self, problem: Problem) -> SearchState[Memory]:
        """Start at the problem's first guess with multipliers of 0."""
        spread = problem.init.new_zeros((len(problem.init),))
        return SearchState(problem.init, spread, spread < 0, None)

    def step(
        self, problem: Problem, state: SearchState[Memory], evaluate: Evaluator, iteration: int
    ) -> SearchState[Memory]:
        """Run the inner planner once on the augmented cost, then update the multipliers."""
        place, multipliers = evaluate.require(self.constraint, self.tolerance), state.memory
        penalty = self._penalty(iteration)
        shift = None if multipliers is None else multipliers.unsqueeze(1) / penalty

        def augmented(actions: Tensor) -> Tensor:
            scored = evaluate(actions)
            limits = scored.limits[place]
            shifted = limits if shift is None else limits + shift
            return scored.costs + 0.5 * penalty * fixed_sum(shifted.clamp(min=0).square(), 2)

        turn = replace(problem, init=state.actions, seeds=problem.seeds ^ iteration)
        search = evaluate.within(augmented, turn)
        self.planner.prepare(search)
        inner = self.planner.init(turn)
        for inner_iteration in range(self.planner.num_iterations):
            if inner_iteration and evaluate.time_is_up():
                break
            inner = self.planner.step(turn, inner, search, inner_iteration)
        limits = evaluate.limits(search.best_actions.unsqueeze(1))[place][:, 0].to(problem.init)
        raised = limits * penalty if multipliers is None else multipliers + limits * penalty
        raised = torch.where(raised.isfinite(), raised, 0.0).clamp(min=0)
        found = evaluate.best_obeys
        return SearchState(evaluate.best_actions, inner.std, found, raised, cost=evaluate.best_cost)

    def _penalty(self, iteration: int) -> float:
        rounds = math.log(_HEAVIEST / self.penalty) / math.log(self.growth) if self.growth > 1 else math.inf
        return self.penalty * self.growth**iteration if iteration <= rounds else max(self.penalty, _HEAVIEST)


def _differentiating(planner: Planner[Any]) -> Planner[Any] | None:
    """Return the planner that asks for gradients, this one or one inside it, if any."""
    if isinstance(planner, GradientPlanner | GRASPPlanner):
        return planner
    inside = (value for value in vars(planner).values() if isinstance(value, Planner))
    return next((found for one in inside if (found := _differentiating(one)) is not None), None)
