"""The planner interface and the one loop behind every planner."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, TypeVar

import torch
from torch import Tensor

from .._checks import plain_numbers
from .._typing import shapechecked
from ..errors import NonFiniteError
from ._evaluator import Evaluator
from ._outcome import Outcome
from ._plan import Plan, Trace
from ._problem import Problem
from ._search_state import SearchState
from ._setup import Bounds, Guess, Randomness, check_request, generators_of, make_problem
from ._short import settings

M = TypeVar("M")


class Planner(ABC, Generic[M]):
    """Searches for the action sequence of lowest cost. Knows no model: it sees `cost(actions)` only.

    A subclass defines `init` and `step`; `plan` runs the loop. A subclass keeps three promises: a row's state
    depends on that row alone, randomness comes from methods of `problem` alone, and sums
    over samples use a fixed order (`leworld._counter.fixed_sum`).

    Attributes:
        horizon: Planned steps.
        num_iterations: How often `step` is called.
        keep_best: Whether the plan is the best sequence seen. Otherwise it is the last state's `actions`.

    Example:
        ```python
        import torch
        from leworld.planners import Planner, SearchState

        class Uniform(Planner[None]):
            horizon, num_iterations = 4, 20

            def init(self, problem):
                rows = len(problem.init)
                return SearchState(problem.init, torch.ones(rows), torch.zeros(rows, dtype=torch.bool), None)

            def step(self, problem, state, evaluate, iteration):
                evaluate(problem.uniform(100, *problem.init.shape[1:], iteration=iteration))
                return state

        plan = Uniform().plan(lambda actions: (actions - 0.3).square().sum((2, 3)), batch=2, action_dim=1)
        assert (plan.cost < 0.2).all()
        ```
    """

    horizon: int
    num_iterations: int
    keep_best: bool = True

    def __repr__(self) -> str:
        return settings(self)

    def prepare(self, evaluate: Evaluator) -> None:
        """Tell the evaluator before the search what the plan must obey, with `evaluate.require`.

        A planner made of planners asks each of them. Calls no cost.
        """

    @abstractmethod
    def init(self, problem: Problem) -> SearchState[M]:
        """Return the state before the first iteration. Calls no cost."""

    @abstractmethod
    def step(
        self, problem: Problem, state: SearchState[M], evaluate: Evaluator, iteration: int
    ) -> SearchState[M]:
        """Show candidates to the cost with `evaluate(candidates)` and return the next state."""

    @plain_numbers
    def plan(
        self,
        cost: Callable[..., Tensor],
        *,
        batch: int,
        action_dim: int,
        init: Guess | None = None,
        bounds: Bounds | None = None,
        generator: Randomness = None,
        throw: bool = False,
        max_candidates: int | None = None,
        time_budget: float | None = None,
    ) -> Plan:
        """Search for the best sequence of every row; the same as `leworld.planners.plan(cost, self, ...)`."""
        return plan(
            cost,
            self,
            batch=batch,
            action_dim=action_dim,
            init=init,
            bounds=bounds,
            generator=generator,
            throw=throw,
            max_candidates=max_candidates,
            time_budget=time_budget,
        )


@shapechecked
def plan(
    cost: Callable[..., Tensor],
    planner: Planner,
    *,
    batch: int,
    action_dim: int,
    init: Guess | None = None,
    bounds: Bounds | None = None,
    generator: Randomness = None,
    throw: bool = False,
    max_candidates: int | None = None,
    time_budget: float | None = None,
) -> Plan:
    """Search, for every row of a batch of problems, the action sequence of lowest cost.

    The one loop behind every planner: set up the problem, call `planner.init`, then `planner.step` for
    `planner.num_iterations` rounds, then measure the answer. No gradient is recorded, and nothing is read
    back from an accelerator before the end (unless `time_budget` is set).

    Rows are independent: what row i gets depends on its own costs and its own seed. Splitting, permuting or
    padding the batch changes nothing, bit for bit on a CPU, as long as `cost` computes rows independently.

    Candidates have the device and dtype of `init` if it is a tensor, else `cost.device` and `cost.dtype` if
    the cost has these attributes (as those of `leworld.costs` have), else those of tensors in `bounds`, else
    they are float32 on the CPU. Arrays, lists and numbers bring values only. Costs keep their dtype: those in
    float64 are compared, remembered and returned in float64, all others in float32 (float64 for float64
    candidates).

    Nothing is shared with the caller: `init` and `bounds` are copied, the cost is shown copies that it may
    edit or keep, its answers are copied, and the plan owns its memory. If the cost raises, the error goes
    through; neither the planner nor torch's modes are changed then.

    Shapes:
        `cost(actions)`: (batch, sample, horizon, action) -> (batch, sample), lower is better. `sample` may
        differ between calls.

    Args:
        cost: What to minimise. NaN and infinite values (of either sign) rank last and are counted.
        planner: The algorithm and its settings.
        batch: Number of problems.
        action_dim: Components of one planned step (for models with frameskip, of an action block).
        init: First guess (batch, horizon, action), a tensor, array or nested list, for example a shifted
            former plan. Zeros by default. With (batch, guess, horizon, action), the search begins at the
            first and the further ones compete in the first iteration of every planner that samples.
        bounds: (low, high), each a number or one value an action component, as a tensor, array or list; for a
            gymnasium Box `(space.low, space.high)`. Candidates are clipped to them in their own dtype; half
            types get the nearest values inside.
        generator: One generator, from which one seed a row is drawn in order; or one generator a row; or None
            for a fixed seed, the same for all rows and calls. A whole number from 0 to 2^63 - 1 in the place
            of a generator stands for `torch.Generator().manual_seed(number)`. The global random state is
            never used.
        throw: Raise `NonFiniteError` if some row's costs were all NaN or infinite, instead of saying so in
            `Plan.outcome`.
        max_candidates: Most sequences (over all rows, but at least one a row) in one call of `cost`. Bounds
            the memory; the plan stays the same if `cost` treats its samples independently.
        time_budget: Seconds after which nothing new is evaluated, so that planning ends at most one
            evaluation later. At least one is made. A search that is cut short returns the best sequence so
            far, also with a planner whose own answer is another (of `LagrangianPlanner` the best that obeys).

    Returns:
        The plan, with the cost that `cost` gave to these very actions.

    Raises:
        ShapeError: If `init`, `bounds` or what `cost` returns has the wrong shape or dtype.
        ConfigError: If a size or limit is out of range, or bounds are reversed or infinite.
        NonFiniteError: If `init` is not finite, or with `throw=True`.

    Example:
        ```python
        import torch
        from leworld.planners import CEMPlanner, plan

        target = torch.tensor([[0.2], [-0.7]])  # one problem a row
        cost = lambda actions: (actions - target[:, None, None]).square().sum((2, 3))
        found = plan(cost, CEMPlanner(horizon=2, num_samples=64), batch=2, action_dim=1)
        assert (found.actions - target[:, None]).abs().max() < 0.01
        ```
    """
    started = time.perf_counter()
    check_request(batch, action_dim, planner.horizon, max_candidates, time_budget)
    generators = generators_of(generator, batch)
    with torch.no_grad():
        problem = make_problem(cost, (batch, planner.horizon, action_dim), init, bounds, generators)
        deadline = None if time_budget is None else started + time_budget
        evaluate = Evaluator(cost, problem, max_candidates=max_candidates, deadline=deadline)
        planner.prepare(evaluate)
        state = planner.init(problem)
        stds: list[Tensor | float] = []
        calls: list[int] = []
        for iteration in range(planner.num_iterations):
            if iteration and evaluate.time_is_up():
                break
            state = planner.step(problem, state, evaluate, iteration)
            stds.append(state.std.clone() if isinstance(state.std, Tensor) else state.std)
            calls.append(len(evaluate.costs))
        out_of_time = evaluate.time_is_up()
        answer, answer_cost = state.actions, state.cost
        if answer_cost is None and not out_of_time:
            scored = evaluate(answer.unsqueeze(1))
            answer, answer_cost = scored.actions[:, 0], scored.costs[:, 0]
        actions, costs = evaluate.best_actions, evaluate.best_cost
        done, obeys = state.finished(), evaluate.best_obeys
        if answer_cost is not None and not planner.keep_best:
            also = evaluate.obeys(answer.unsqueeze(1))[:, 0]
            usable = answer_cost.isfinite() & (also | ~obeys)
            actions = torch.where(usable[:, None, None], answer, actions)
            costs = torch.where(usable, answer_cost, costs)
            done, obeys = done & usable, torch.where(usable, also, obeys)
        told = tuple(shown.to(costs.dtype) for shown in evaluate.costs)  # calls may have differed in dtype
        trace = Trace(told, tuple(calls), tuple(stds), evaluate.num_evaluations)
        elites = None if state.elites is None else problem.project(state.elites).to(problem.dtype, copy=True)
        found = costs.isfinite()
        outcome = _outcomes(found, done & obeys, out_of_time)
    if throw and Outcome.non_finite_cost in outcome:
        bad = [row for row, result in enumerate(outcome) if result is Outcome.non_finite_cost]
        raise NonFiniteError(
            "Planning needs at least one finite cost a row",
            f"all {evaluate.num_evaluations} costs of row {bad[0]} were NaN or infinite "
            f"({len(bad)} of {batch} rows)",
            "Look for NaN in the context, the goal or the model's weights, or pass `throw=False` and read "
            "`Plan.outcome`",
        )
    return Plan(actions.to(problem.dtype), torch.where(found, costs, math.nan), outcome, trace, elites)


def _outcomes(found: Tensor, converged: Tensor, out_of_time: bool) -> tuple[Outcome, ...]:
    ended = Outcome.time_limit if out_of_time else Outcome.iteration_limit
    return tuple(
        Outcome.non_finite_cost if not fine else Outcome.converged if done else ended
        for fine, done in zip(found.tolist(), converged.tolist(), strict=True)
    )
