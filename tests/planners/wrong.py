"""Planners with the mistakes that published ones have; the conformance suite must reject each."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from leworld.planners import CEMPlanner, Evaluator, Plan, Planner, Problem, SearchState
from tests.planners.conformance import (
    Entry,
    check_bounds_and_best,
    check_constant_and_scale,
    check_half_precision,
    check_non_finite,
    check_problems,
    check_randomness,
    check_splitting,
    check_time_budget,
)


class PlainCEM(Planner[Tensor]):
    """A CEM with hooks to break. As it stands it is right, up to the order of its additions."""

    def __init__(self, horizon: int) -> None:
        self.horizon, self.num_iterations, self.samples, self.elites = horizon, 30, 300, 30

    def init(self, problem: Problem) -> SearchState[Tensor]:
        return self.state(problem.init, torch.ones_like(problem.init))

    def state(self, mean: Tensor, stds: Tensor) -> SearchState[Tensor]:
        rows = len(mean)
        done = torch.zeros(rows, dtype=torch.bool)
        return SearchState(mean, stds.flatten(1).mean(1), done, stds)

    def noise(self, problem: Problem, iteration: int) -> Tensor:
        return problem.normal(self.samples, *problem.init.shape[1:], iteration=iteration)

    def order(self, costs: Tensor) -> Tensor:
        return costs.argsort(dim=1, stable=True)

    def fit(self, elites: Tensor) -> tuple[Tensor, Tensor]:
        return elites.mean(1), elites.std(1, correction=0).clamp(min=1e-3)

    def step(
        self, problem: Problem, state: SearchState[Tensor], evaluate: Evaluator, iteration: int
    ) -> SearchState[Tensor]:
        drawn = state.actions[:, None] + state.memory[:, None] * self.noise(problem, iteration)
        scored = evaluate(torch.cat((state.actions[:, None], drawn), 1))
        chosen = self.order(scored.costs)[:, : self.elites]
        return self.state(*self.fit(scored.actions[torch.arange(len(chosen))[:, None], chosen]))


class HighestElites(PlainCEM):
    def order(self, costs):
        return costs.argsort(dim=1, stable=True, descending=True)


class AveragesOverTheBatch(PlainCEM):
    def fit(self, elites):
        mean, std = super().fit(elites)
        return mean.mean(0, keepdim=True).expand_as(mean), std


class SpreadOfTheBatch(PlainCEM):
    def fit(self, elites):
        mean, std = super().fit(elites)
        return mean, std.mean(0, keepdim=True).expand_as(std)


class OneNoiseForAll(PlainCEM):
    """One generator for the whole batch tensor: what row 1 draws depends on the size of the batch."""

    def noise(self, problem, iteration):
        source = torch.Generator().manual_seed(int(problem.seeds[0]) + iteration)
        return torch.randn((len(problem.init), self.samples, *problem.init.shape[1:]), generator=source)


class GlobalRandomState(PlainCEM):
    def noise(self, problem, iteration):
        return torch.randn(len(problem.init), self.samples, *problem.init.shape[1:])


class FirstActionRepeated(PlainCEM):
    def noise(self, problem, iteration):
        noise = super().noise(problem, iteration)
        return noise[:, :, :1].expand_as(noise)


class NaNKept(PlainCEM):
    """Ranks what is not finite first, as a minimum over raw costs with NaN does."""

    def order(self, costs):
        return torch.where(costs.isinf(), -torch.inf, costs).argsort(dim=1, stable=True)


class WeightsFromRawCosts(PlainCEM):
    """exp(-cost) without subtracting the minimum: the plan depends on the cost's constant and scale."""

    def step(self, problem, state, evaluate, iteration):
        scored = evaluate(state.actions[:, None] + 0.5 * self.noise(problem, iteration))
        weights = torch.exp(-scored.costs)[:, :, None, None]
        mean = (weights * scored.actions).sum(1) / weights.sum(1).clamp(min=1e-30)
        return self.state(mean, state.memory)


class TwoEvaluationsAStep(PlainCEM):
    """Does not ask whether the time is up between them."""

    def step(self, problem, state, evaluate, iteration):
        return super().step(problem, super().step(problem, state, evaluate, iteration), evaluate, iteration)


class Outside(Planner[None]):
    """Breaks what `plan` guarantees, by replacing `plan`."""

    def __init__(self, horizon: int, change: Callable[..., Plan]) -> None:
        self.horizon, self.num_iterations, self.change = horizon, 30, change

    def init(self, problem):
        raise NotImplementedError

    def step(self, problem, state, evaluate, iteration):
        raise NotImplementedError

    def plan(self, cost, **options) -> Plan:
        return self.change(self.horizon, cost, options)


def last_instead_of_best(horizon, cost, options):
    return CEMPlanner(horizon, num_iterations=3, returns="mean").plan(cost, **options)


def seed_ignored(horizon, cost, options):
    return CEMPlanner(horizon).plan(cost, **(options | {"generator": None}))


def seed_of_the_clock(horizon, cost, options, calls=[0]):  # noqa: B006 -- state between calls is the mistake
    calls[0] += 1
    return CEMPlanner(horizon).plan(
        cost, **(options | {"generator": torch.Generator().manual_seed(calls[0])})
    )


def bounds_ignored(horizon, cost, options):
    return CEMPlanner(horizon).plan(cost, **(options | {"bounds": None}))


def bounds_afterwards(horizon, cost, options):
    plan = CEMPlanner(horizon).plan(cost, **(options | {"bounds": None}))
    return replace(plan, actions=plan.actions.clamp(*options.get("bounds") or (None, 100.0)))


def cost_of_another(horizon, cost, options):
    """Returns the mean with the cost of the best."""
    best = CEMPlanner(horizon).plan(cost, **options)
    return replace(best, actions=CEMPlanner(horizon, returns="mean").plan(cost, **options).actions)


def mean_cost_reported(horizon, cost, options):
    plan = CEMPlanner(horizon).plan(cost, **options)
    return replace(plan, cost=plan.trace.mean_cost[:, -1])


def too_few_iterations(horizon, cost, options):
    return CEMPlanner(horizon, num_iterations=1).plan(cost, **options)


def chunks_ignored(horizon, cost, options):
    return CEMPlanner(horizon).plan(cost, **(options | {"max_candidates": None}))


def budget_ignored(horizon, cost, options):
    iterations = 40 if "time_budget" in options else 30
    return CEMPlanner(horizon, num_iterations=iterations, tolerance=0).plan(
        cost, **(options | {"time_budget": None})
    )


def half_of_the_budget(horizon, cost, options):
    """Keeps a reserve, though one evaluation more would still begin in time."""
    budget = options.get("time_budget")
    return CEMPlanner(horizon, num_iterations=1000, tolerance=0).plan(
        cost, **(options | {"time_budget": None if budget is None else budget / 2})
    )


def full_precision_shown(horizon, cost, options):
    init = options.get("init")
    return CEMPlanner(horizon).plan(cost, **(options | {"init": None if init is None else init.float()}))


RIGHT = Entry("PlainCEM", PlainCEM)
_CLASSES = {  # which check must reject each, and what it must say
    HighestElites: (check_problems, "left$"),
    AveragesOverTheBatch: (check_splitting, "splitting"),
    SpreadOfTheBatch: (check_splitting, "splitting"),
    OneNoiseForAll: (check_splitting, "splitting"),
    GlobalRandomState: (check_randomness, "global random state"),
    FirstActionRepeated: (check_problems, "left$"),
    NaNKept: (check_non_finite, "NaN misled the search"),
    WeightsFromRawCosts: (check_constant_and_scale, "changed the plan"),
    TwoEvaluationsAStep: (check_time_budget, "after the time was up"),
}
_CHANGES = {
    last_instead_of_best: (check_bounds_and_best, "seen and lost"),
    seed_ignored: (check_randomness, "seed is ignored"),
    seed_of_the_clock: (check_randomness, "same seed gave another plan"),
    bounds_ignored: (check_bounds_and_best, "below the bounds"),
    bounds_afterwards: (check_bounds_and_best, "below the bounds"),
    cost_of_another: (check_problems, "true cost"),
    mean_cost_reported: (check_problems, "true cost"),
    too_few_iterations: (check_problems, "left$"),
    chunks_ignored: (check_splitting, "chunks are too large"),
    budget_ignored: (check_time_budget, "spent its iterations"),
    half_of_the_budget: (check_time_budget, "stopped before the time was up"),
    full_precision_shown: (check_half_precision, "another dtype"),
}
WRONG = {Entry(kind.__name__, kind): expected for kind, expected in _CLASSES.items()} | {
    Entry(change.__name__, lambda horizon, change=change: Outside(horizon, change)): expected
    for change, expected in _CHANGES.items()
}
