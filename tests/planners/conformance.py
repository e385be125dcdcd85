"""What every planner must do. Each check raises AssertionError on a planner that does not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from leworld.planners import (
    BestSoFar,
    CEMPlanner,
    GradientPlanner,
    ICEMPlanner,
    MPPIPlanner,
    Outcome,
    Plan,
    Planner,
    RandomShootingPlanner,
    Refine,
    WarmStart,
)
from tests.planners.problems import PROBLEMS, Instance, TestProblem, separable


@dataclass(frozen=True, eq=False)
class Entry:
    """A planner under test: how to build it for a horizon, and what it does not claim."""

    name: str
    build: Callable[[int], Planner]
    stochastic: bool = True
    invariant_to_scale: bool = True
    needs_gradient: bool = False
    long_horizon: bool = True
    wrapper: bool = False  # around a planner that is in the table: one size will do
    tolerances: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


# At 50 numbers: iCEM spends a quarter of CEM's samples, and averages settle short of the optimum.
_AVERAGED = {"separable": 0.02, "ill-conditioned": 0.04, "optimum on a bound": 0.06}
PLANNERS = (
    Entry("CEM", CEMPlanner),
    Entry("ICEM", ICEMPlanner, tolerances={"separable": 0.03, "ill-conditioned": 0.25}),
    Entry("MPPI", MPPIPlanner, tolerances=_AVERAGED),
    Entry(
        "BestSoFar(MPPI)", lambda horizon: BestSoFar(MPPIPlanner(horizon)), tolerances=_AVERAGED, wrapper=True
    ),
    Entry(
        "RandomShooting",
        lambda horizon: RandomShootingPlanner(horizon, num_iterations=40, decay=0.9),
        long_horizon=False,
    ),
    Entry(
        "Gradient",
        lambda horizon: GradientPlanner(horizon, num_iterations=50),
        invariant_to_scale=False,
        needs_gradient=True,
    ),
    Entry(
        "Refine(CEM, Gradient)",
        lambda horizon: Refine(
            CEMPlanner(horizon, num_iterations=8), GradientPlanner(horizon, 1, num_iterations=30)
        ),
        invariant_to_scale=False,
        needs_gradient=True,
    ),
    Entry(
        "WarmStart(CEM)",
        lambda horizon: WarmStart(CEMPlanner(horizon), lambda init: init + 0.1),
        wrapper=True,
    ),
)


def brief(entry: Entry, horizon: int) -> Planner:
    """Build the planner for a check of equality, which shows in a few iterations (Refine: 8 + 2)."""
    planner = entry.build(horizon)
    planner.num_iterations = min(planner.num_iterations, 10)
    return planner


def generators(seeds: Sequence[int]) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def solve(planner: Planner, instance: Instance, rows: int, seeds: Sequence[int] | int = 0, **options) -> Plan:
    generator = torch.Generator().manual_seed(seeds) if isinstance(seeds, int) else generators(seeds)
    return planner.plan(
        instance.cost,
        batch=rows,
        action_dim=instance.action_dim,
        bounds=instance.bounds,
        generator=generator,
        **options,
    )


def equal(one: Plan, other: Plan) -> bool:
    return torch.equal(one.actions, other.actions) and torch.equal(one.cost, other.cost)


def check_optimum(entry: Entry, problem: TestProblem, batch: int, horizon: int) -> None:
    """The plan leaves at most a small share of what doing nothing would cost, and reports its true cost."""
    instance = problem.make(range(batch), horizon)
    plan = solve(entry.build(horizon), instance, batch)
    assert plan.actions.shape == (batch, horizon, instance.action_dim)
    assert torch.equal(plan.cost, instance.cost(plan.actions.unsqueeze(1))[:, 0]), "not the plan's true cost"
    idle = instance.cost(torch.zeros(batch, 1, horizon, instance.action_dim))[:, 0] - instance.optimum
    left = plan.cost - instance.optimum
    tolerance = entry.tolerances.get(problem.name, problem.tolerance)
    assert (left >= -1e-4 * (1 + instance.optimum)).all(), "below the optimum"
    assert (left <= tolerance * idle + 1e-4).all(), f"{left.tolist()} of {idle.tolist()} left"
    assert all(outcome in (Outcome.converged, Outcome.iteration_limit) for outcome in plan.outcome)


class Recorder:
    """Wraps a cost and keeps everything that it was shown and answered."""

    def __init__(self, cost: Callable[[Tensor], Tensor]) -> None:
        self.cost, self.actions, self.costs = cost, [], []

    def __call__(self, actions: Tensor) -> Tensor:
        costs = self.cost(actions)
        self.actions.append(actions.detach().clone())
        self.costs.append(costs.detach().clone())
        return costs


def check_bounds_and_best(entry: Entry) -> None:
    """Every sequence shown to the cost is inside the bounds; none is better than the plan."""
    instance = separable(range(3), 3)
    recorder = Recorder(instance.cost)
    bounded = Instance(recorder, instance.optimum, 2, (-0.4, 0.25))
    planner = brief(entry, 3)
    plan = solve(planner, bounded, 3)
    shown, costs = torch.cat(recorder.actions, 1), torch.cat(recorder.costs, 1)
    assert shown.min() >= -0.4, "the cost was shown actions below the bounds"
    assert shown.max() <= 0.25, "the cost was shown actions above the bounds"
    assert plan.actions.min() >= -0.4
    assert plan.actions.max() <= 0.25
    assert torch.equal(plan.cost, instance.cost(plan.actions.unsqueeze(1))[:, 0]), "not the plan's true cost"
    assert plan.trace.num_evaluations == shown.shape[1], "miscounted evaluations"
    if planner.keep_best:
        assert (plan.cost <= costs.amin(1)).all(), "a better sequence was seen and lost"


def check_splitting(entry: Entry) -> None:
    """A batch of 5 equals calls for 2 and 3 in sequence; rows beside do not matter; chunks do not matter."""
    planner, horizon = brief(entry, 4), 4
    whole = solve(planner, separable(range(5), horizon), 5, seeds=7)
    source = torch.Generator().manual_seed(7)
    parts = [
        planner.plan(separable(rows, horizon).cost, batch=len(rows), action_dim=2, generator=source)
        for rows in (range(2), range(2, 5))
    ]
    assert torch.equal(whole.actions, torch.cat([part.actions for part in parts])), (
        "splitting changed the plan"
    )
    chunked = solve(planner, separable(range(5), horizon), 5, seeds=7, max_candidates=35)
    assert equal(whole, chunked), "chunking changed the plan"
    recorder = Recorder(separable(range(5), horizon).cost)
    solve(planner, Instance(recorder, whole.cost, 2), 5, max_candidates=35)
    assert max(part.shape[0] * part.shape[1] for part in recorder.actions) <= 35, "chunks are too large"


def check_permuting_and_padding(entry: Entry) -> None:
    planner, order = brief(entry, 3), [2, 0, 1]
    straight = solve(planner, separable(range(3), 3), 3, seeds=[10, 11, 12])
    permuted = solve(planner, separable(order, 3), 3, seeds=[10 + row for row in order])
    assert torch.equal(straight.actions[order], permuted.actions), "permuting rows changed their plans"
    padded = solve(planner, separable([0, 1, 2, 9, 9], 3), 5, seeds=[10, 11, 12, 1, 2])
    assert torch.equal(straight.actions, padded.actions[:3]), "padding changed the plan"


def check_constant_and_scale(entry: Entry) -> None:
    """Adding 64 changes nothing when costs are multiples of 1/1024, so that float32 stays exact."""
    target = torch.tensor([0.5, -0.25])

    def rounded(actions: Tensor) -> Tensor:
        error = (actions - target).abs()
        smooth = error[..., 0, 0] + error[..., 0, 1] + error[..., 1, 0] + error[..., 1, 1]
        stepped = (smooth.detach() * 1024).round() / 1024
        return stepped + (smooth - smooth.detach())

    planner = brief(entry, 2)
    base = planner.plan(rounded, batch=2, action_dim=2)
    shifted = planner.plan(lambda actions: rounded(actions) + 64.0, batch=2, action_dim=2)
    assert torch.equal(base.actions, shifted.actions), "a constant in the cost changed the plan"
    if entry.invariant_to_scale:
        scaled = planner.plan(lambda actions: rounded(actions) * 256.0, batch=2, action_dim=2)
        assert torch.equal(base.actions, scaled.actions), "the cost's scale changed the plan"


def check_randomness(entry: Entry) -> None:
    """The same generator state gives the same plan, another one another; the global state is left alone."""
    planner, instance = brief(entry, 3), separable(range(2), 3)
    before = torch.get_rng_state()
    first, again, other = (solve(planner, instance, 2, seeds=seed) for seed in (3, 3, 4))
    assert torch.equal(before, torch.get_rng_state()), "the global random state was used"
    assert equal(first, again), "the same seed gave another plan"
    unseeded = [planner.plan(instance.cost, batch=2, action_dim=2) for _ in range(2)]
    assert equal(*unseeded), "no generator gave two different plans"
    if entry.stochastic:
        assert not torch.equal(first.trace.mean_cost, other.trace.mean_cost), "the seed is ignored"


def check_non_finite(entry: Entry) -> None:
    """NaN and infinite costs never win, whole rows of them are told, and other rows do not notice."""
    clean = separable(range(3), 3)

    def poisoned(actions: Tensor) -> Tensor:
        costs = clean.cost(actions)
        bad = actions[..., 0, 0] < 0.0  # half of the space; the optimum has 0.5 there in row 0
        broken = torch.where(actions[..., 0, 1] < 0.0, float("nan"), float("-inf"))
        hopeless = torch.tensor([False, True, False])[:, None]
        rows = torch.tensor([True, False, False])[:, None]
        return torch.where(hopeless | (rows & bad), broken, costs)

    planner = entry.build(3)
    plan = solve(planner, Instance(poisoned, clean.optimum, 2), 3, seeds=[1, 2, 3])
    assert plan.cost[0].isfinite()
    assert plan.actions[0, 0, 0] >= 0.0, "a sequence with a NaN cost won"
    assert plan.actions.isfinite().all()
    assert plan.cost[1].isnan()
    assert plan.outcome[1] is Outcome.non_finite_cost
    assert plan.outcome[0] is not Outcome.non_finite_cost
    assert plan.trace.num_non_finite[1] == plan.trace.num_evaluations
    assert plan.trace.num_non_finite[2] == 0
    fine = solve(planner, clean, 3, seeds=[1, 2, 3])
    assert torch.equal(plan.actions[2], fine.actions[2]), "another row's NaN changed this plan"
    idle = clean.cost(torch.zeros(3, 1, 3, 2))[0, 0]
    assert plan.cost[0] <= 0.05 * idle, "NaN misled the search"


def check_flat(entry: Entry) -> None:
    """Where nothing matters, the plan is finite and inside the bounds."""
    planner = brief(entry, 3)
    plan = planner.plan(lambda a: torch.ones(a.shape[:2]) + 0 * a.sum((2, 3)), batch=2, action_dim=1)
    assert plan.actions.isfinite().all()
    assert (plan.cost == 1).all()


CHECKS = (
    check_bounds_and_best,
    check_splitting,
    check_permuting_and_padding,
    check_constant_and_scale,
    check_randomness,
    check_non_finite,
    check_flat,
)


def check_problems(entry: Entry) -> None:
    """Every problem at a middle size."""
    for problem in PROBLEMS:
        if problem.smooth or not entry.needs_gradient:
            check_optimum(entry, problem, batch=3, horizon=5)
