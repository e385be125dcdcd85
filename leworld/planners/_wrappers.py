"""Planners made of planners: the best so far, guesses that stay, and one search after another."""

from dataclasses import replace
from typing import Any, final

import torch

from .._checks import describe
from ..errors import ConfigError
from ._cem import CEMPlanner
from ._evaluator import Evaluator
from ._mppi import MPPIPlanner
from ._planner import Planner
from ._problem import Problem
from ._search_state import SearchState


class PlannerAround(Planner[Any]):
    """A planner that searches as the one that it is given does."""

    def __init__(self, planner: Planner[Any]) -> None:
        check_planner(type(self).__name__, "planner", planner)
        self.planner = planner
        self.horizon = planner.horizon
        self.num_iterations = planner.num_iterations
        self.keep_best = planner.keep_best

    def prepare(self, evaluate: Evaluator) -> None:
        """Ask the wrapped planner."""
        self.planner.prepare(evaluate)

    def init(self, problem: Problem) -> SearchState[Any]:
        """Ask the wrapped planner."""
        return self.planner.init(problem)

    def step(
        self, problem: Problem, state: SearchState[Any], evaluate: Evaluator, iteration: int
    ) -> SearchState[Any]:
        """Ask the wrapped planner."""
        return self.planner.step(problem, state, evaluate, iteration)


@final
class BestSoFar(PlannerAround):
    """Returns the best sequence that a planner has shown to the cost, whatever the planner's own answer is.

    Most planners here do so anyway; it matters for `MPPIPlanner` and for `CEMPlanner(returns="mean")`. Around
    a `LagrangianPlanner` it is the best that obeys the constraint.

    Args:
        planner: The planner to wrap.

    Example:
        ```python
        from leworld.planners import BestSoFar, MPPIPlanner

        cost = lambda actions: (actions - 0.5).square().sum((2, 3))
        mean = MPPIPlanner(horizon=4, num_iterations=3)
        best = BestSoFar(mean).plan(cost, batch=1, action_dim=2)
        assert best.cost <= mean.plan(cost, batch=1, action_dim=2).cost
        ```
    """

    def __init__(self, planner: Planner[Any]) -> None:
        super().__init__(planner)
        self.keep_best = True


@final
class KeepGuesses(Planner[Any]):
    """Lets further first guesses compete in every iteration, unchanged: proposals of a policy, for example.

    A planner that samples lets them compete in its first iteration only. Here they stand before what it draws
    throughout, and the mean of its distribution is no candidate, as in TD-MPC2. The first guess is where the
    search begins, as ever. Without further guesses the planner does what it does alone.

    Args:
        planner: A `CEMPlanner` or an `MPPIPlanner`, with more samples than there are further guesses.

    Example:
        ```python
        import torch
        from leworld.planners import KeepGuesses, MPPIPlanner

        start, proposal = torch.zeros(1, 1, 3, 1), torch.full((1, 1, 3, 1), 5.0)
        planner = KeepGuesses(MPPIPlanner(horizon=3, num_samples=16, num_elites=1, num_iterations=2))
        found = planner.plan(
            lambda actions: (actions - 5.0).square().sum((2, 3)),
            batch=1,
            action_dim=1,
            init=torch.cat((start, proposal), 1),
        )
        assert found.cost.item() == 0
        ```
    """

    def __init__(self, planner: Planner[Any]) -> None:
        if not isinstance(planner, CEMPlanner | MPPIPlanner):
            raise ConfigError(
                "KeepGuesses needs a planner that draws around one mean",
                f"it is {describe(planner)}",
                "Pass a CEMPlanner or an MPPIPlanner",
            )
        self.planner = planner
        self.horizon = planner.horizon
        self.num_iterations = planner.num_iterations
        self.keep_best = planner.keep_best

    def init(self, problem: Problem) -> SearchState[Any]:
        """Ask the wrapped planner."""
        guesses, samples = problem.guesses, self.planner.num_samples
        if guesses is not None and guesses.shape[1] >= samples:
            raise ConfigError(
                f"KeepGuesses needs fewer further guesses than the planner's num_samples={samples}",
                f"there are {guesses.shape[1]}",
                "Raise `num_samples`, or propose fewer",
            )
        kept = replace(problem, keep_guesses=True)
        state = self.planner.init(kept)
        return replace(state, memory=(kept, state.memory))

    def step(
        self, problem: Problem, state: SearchState[Any], evaluate: Evaluator, iteration: int
    ) -> SearchState[Any]:
        """Ask the wrapped planner, of whose candidates the guesses are part."""
        kept, memory = state.memory
        inner = self.planner.step(kept, replace(state, memory=memory), evaluate, iteration)
        return replace(inner, memory=(kept, inner.memory))


@final
class Refine(Planner[Any]):
    """Runs one planner, then another one from the best sequence that the first has seen.

    For example CEM to find the right basin and gradient descent to reach its bottom.

    Args:
        first: Searches from the problem's first guess.
        then: Searches from the best sequence so far, or from the problem's first guess while no cost was
            finite. Its own spread (`init_std`) should be small. Whether a row has converged is for this
            planner to say.

    Example:
        ```python
        from leworld.planners import CEMPlanner, GradientPlanner, Refine

        planner = Refine(
            CEMPlanner(horizon=5, num_iterations=5), GradientPlanner(horizon=5, num_restarts=1)
        )
        found = planner.plan(lambda actions: (actions - 0.5).square().sum((2, 3)), batch=1, action_dim=2)
        assert found.cost.item() < 1e-3
        ```
    """

    def __init__(self, first: Planner[Any], then: Planner[Any]) -> None:
        check_planner("Refine", "first", first)
        check_planner("Refine", "then", then)
        if first.horizon != then.horizon:
            raise ConfigError(
                "Refine needs two planners of one horizon",
                f"`first` plans {first.horizon} and `then` {then.horizon} steps",
                "Build both with the same `horizon`",
            )
        self.first = first
        self.then = then
        self.horizon = first.horizon
        self.num_iterations = first.num_iterations + then.num_iterations
        self.keep_best = then.keep_best

    def prepare(self, evaluate: Evaluator) -> None:
        """Ask both planners: what one requires holds for the whole search."""
        self.first.prepare(evaluate)
        self.then.prepare(evaluate)

    def init(self, problem: Problem) -> SearchState[Any]:
        """Ask the first planner."""
        return _unfinished(self.first.init(problem))

    def step(
        self, problem: Problem, state: SearchState[Any], evaluate: Evaluator, iteration: int
    ) -> SearchState[Any]:
        """Ask the planner whose turn it is; the second draws from its own seeds."""
        if iteration < self.first.num_iterations:
            return _unfinished(self.first.step(problem, state.memory, evaluate, iteration))
        problem = replace(problem, init=evaluate.best_actions, seeds=problem.seeds ^ 0x5DEECE66D)
        begun = iteration > self.first.num_iterations
        inner = state.memory if begun else self.then.init(problem)
        inner = self.then.step(problem, inner, evaluate, iteration - self.first.num_iterations)
        return replace(inner, memory=inner)


def _unfinished(inner: SearchState[Any]) -> SearchState[Any]:
    """Wrap the state of the first of two searches: whether its rows have converged is not the answer yet."""
    never = torch.zeros(len(inner.actions), dtype=torch.bool, device=inner.actions.device)
    return replace(inner, memory=inner, converged=never)


def check_planner(owner: str, name: str, planner: object) -> None:
    """Raise `ConfigError` unless `planner` is one."""
    if not isinstance(planner, Planner):
        raise ConfigError(
            f"{owner} needs `{name}` to be a planner",
            f"it is {describe(planner)}",
            "Pass an instance, for example `CEMPlanner(horizon=5)`",
        )
