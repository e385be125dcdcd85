"""What every planner must do. Each check raises AssertionError on a planner that does not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from leworld.planners import (
    BestSoFar,
    CategoricalCEMPlanner,
    CEMPlanner,
    CMAESPlanner,
    GradientPlanner,
    GRASPPlanner,
    ICEMPlanner,
    KeepGuesses,
    LagrangianPlanner,
    LiftedCost,
    MPPIPlanner,
    Outcome,
    OverRanks,
    Plan,
    Planner,
    RandomShootingPlanner,
    Refine,
    WarmStart,
)
from tests.fake_clock import FakeClock, fake_clock
from tests.planners.problems import PROBLEMS, Cost, Instance, Stepwise, TestProblem, flat, separable


@dataclass(frozen=True, eq=False)
class Entry:
    """A planner under test: how to build it for a horizon (and action_dim), and what it does not claim."""

    name: str
    build: Callable[..., Planner]
    stochastic: bool = True
    invariant_to_scale: bool = True
    discrete: bool = False  # built from (horizon, action_dim)
    tolerances: dict[str, float] = field(default_factory=dict)  # share of the idle cost that may be left

    def __str__(self) -> str:
        return self.name

    def planner(self, horizon: int, action_dim: int = 2) -> Planner:
        return self.build(horizon, action_dim) if self.discrete else self.build(horizon)


# Two components: the optima of the problems below by row, among others. One component: steps of 0.1.
_OPTIMA = [(0.5 - 0.3 * row, -0.2 - 0.3 * row) for row in (0, 1, 2, 3, 4, 9)]
_OPTIMA += [(0.5 - 0.3 * row, 0.5 - 0.3 * row) for row in (0, 1, 2)]
_GRID = [(first, second) for first in (-1.0, 0.0, 1.0) for second in (-1.0, 0.0, 1.0)]
_CHOICES = {1: torch.linspace(-1.5, 1.5, 31)[:, None], 2: torch.tensor(_OPTIMA + _GRID)}


def _loose(actions: Tensor) -> Tensor:
    """A constraint that always holds."""
    return actions[:, :, 0, :1].abs() - 100.0


# At 50 numbers: iCEM spends a quarter of CEM's samples, and averages settle short of the optimum.
_AVERAGED = {"separable": 0.02, "ill-conditioned": 0.05, "optimum on a bound": 0.08}
# A cost without slope: a gradient planner claims no more than to lose nothing.
_NO_SLOPE = {"discontinuous": 1.0}
PLANNERS = (
    Entry("CEM", CEMPlanner),
    Entry("ICEM", ICEMPlanner, tolerances={"separable": 0.03, "ill-conditioned": 0.25}),
    Entry("MPPI", MPPIPlanner, tolerances=_AVERAGED),
    Entry(
        "MPPI of elites",
        lambda horizon: MPPIPlanner(horizon, num_elites=30, min_std=1e-3, temperature=10.0),
        tolerances={"ill-conditioned": 0.05},
    ),
    Entry("KeepGuesses(CEM)", lambda horizon: KeepGuesses(CEMPlanner(horizon))),
    Entry(
        "CMAES",
        lambda horizon: CMAESPlanner(
            horizon, 30, num_iterations=100, covariance="diagonal" if horizon > 5 else "full"
        ),
        tolerances={"ill-conditioned": 0.1, "double integrator": 0.15},
    ),
    Entry(
        "RandomShooting",
        lambda horizon: RandomShootingPlanner(horizon, num_iterations=40, decay=0.9),
        tolerances={"separable": 0.03, "ill-conditioned": 0.3, "optimum on a bound": 0.06},
    ),
    Entry(
        "Gradient",
        lambda horizon: GradientPlanner(horizon, num_iterations=50),
        invariant_to_scale=False,
        tolerances=_NO_SLOPE,
    ),
    Entry(
        "GRASP",
        lambda horizon: GRASPPlanner(horizon, num_iterations=60),
        invariant_to_scale=False,
        tolerances=_NO_SLOPE
        | {"separable": 0.12, "optimum on a bound": 0.3, "two basins": 0.08, "double integrator": 0.35},
    ),
    Entry(
        "CategoricalCEM",
        lambda horizon, action_dim: CategoricalCEMPlanner(_CHOICES[action_dim], horizon),
        discrete=True,
        tolerances={"double integrator": 0.08},
    ),
    Entry(
        "Lagrangian(CEM)",
        lambda horizon: LagrangianPlanner(
            CEMPlanner(horizon, 200, num_elites=20, num_iterations=15), _loose, num_rounds=2
        ),
        tolerances={"separable": 0.03, "ill-conditioned": 0.08, "optimum on a bound": 0.06},
    ),
    Entry("OverRanks(CEM)", lambda horizon: OverRanks(CEMPlanner(horizon))),
    Entry("BestSoFar(MPPI)", lambda horizon: BestSoFar(MPPIPlanner(horizon)), tolerances=_AVERAGED),
    Entry(
        "Refine(CEM, Gradient)",
        lambda horizon: Refine(
            CEMPlanner(horizon, num_iterations=8), GradientPlanner(horizon, 1, num_iterations=30)
        ),
        invariant_to_scale=False,
        tolerances={"discontinuous": 0.5},
    ),
    Entry(
        "Refine(GRASP, Gradient)",
        lambda horizon: Refine(
            GRASPPlanner(horizon, num_iterations=40), GradientPlanner(horizon, 1, num_iterations=30)
        ),
        invariant_to_scale=False,
        tolerances=_NO_SLOPE,
    ),
    Entry("WarmStart(CEM)", lambda horizon: WarmStart(CEMPlanner(horizon), lambda init: init + 0.1)),
)


def brief(entry: Entry, horizon: int, action_dim: int = 2) -> Planner:
    """Build the planner for a check of equality, which shows in a few iterations (Refine: 8 + 2)."""
    planner = entry.planner(horizon, action_dim)
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
    plan = solve(entry.planner(horizon, instance.action_dim), instance, batch)
    assert plan.actions.shape == (batch, horizon, instance.action_dim)
    assert torch.equal(plan.cost, instance.cost(plan.actions.unsqueeze(1))[:, 0]), "not the plan's true cost"
    idle = instance.cost(torch.zeros(batch, 1, horizon, instance.action_dim))[:, 0] - instance.optimum
    left = plan.cost - instance.optimum
    tolerance = entry.tolerances.get(problem.name, problem.tolerance)
    assert (left >= -1e-4 * (1 + instance.optimum)).all(), "below the optimum"
    assert (left <= tolerance * idle + 1e-4).all(), f"{left.tolist()} of {idle.tolist()} left"
    assert all(outcome in (Outcome.converged, Outcome.iteration_limit) for outcome in plan.outcome)


class Recorder(LiftedCost):
    """Wraps a cost, possibly with other values, and keeps all that it was shown and answered."""

    def __init__(self, cost: Cost, values: Cost | None = None) -> None:
        self.inner, self.values = cost, values or cost
        self.actions: list[Tensor] = []  # as costs, as rollouts and as single steps
        self.costed: list[Tensor] = []
        self.costs: list[Tensor] = []

    def __call__(self, actions: Tensor) -> Tensor:
        costs = self.values(actions)
        self.actions.append(actions.detach().clone())
        self.costed.append(self.actions[-1])
        self.costs.append(costs.detach().clone())
        return costs

    def rollout(self, actions: Tensor) -> Tensor:
        self.actions.append(actions.detach().clone())
        return self.inner.rollout(actions)

    def transition(self, states: Tensor, actions: Tensor) -> Tensor:
        self.actions.append(actions.detach().clone())
        return self.inner.transition(states, actions)

    def goal_distance(self, states: Tensor) -> Tensor:
        return self.inner.goal_distance(states)

    def guess_states(self, actions: Tensor) -> Tensor:
        return self.inner.guess_states(actions)


def check_bounds_and_best(entry: Entry) -> None:
    """Every sequence shown to the cost is inside the bounds; none is better than the plan."""
    instance = separable(range(3), 3)
    recorder = Recorder(instance.cost)
    bounded = Instance(recorder, instance.optimum, 2, (-0.4, 0.25))
    planner = brief(entry, 3)
    plan = solve(planner, bounded, 3)
    shown, costs = torch.cat(recorder.actions, 1), torch.cat(recorder.costs, 1)
    assert len(recorder.costs) > 1
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

    def rounded(factor: float = 1.0, constant: float = 0.0) -> Stepwise:
        def cost(actions: Tensor) -> Tensor:
            error = (actions - target).abs()
            smooth = error[..., 0, 0] + error[..., 0, 1] + error[..., 1, 0] + error[..., 1, 1]
            stepped = (smooth.detach() * 1024).round() / 1024
            return (stepped + (smooth - smooth.detach())) * factor + constant

        def step(before: Tensor, actions: Tensor, times: slice) -> Tensor:
            error = (actions - target).abs()
            return before + error[..., :1] + error[..., 1:]

        def distance(states: Tensor) -> Tensor:
            return states[..., 0] * factor + constant

        return Stepwise(cost, step, start=torch.zeros(1, 1), distance=distance)

    planner = brief(entry, 2)
    base = planner.plan(rounded(), batch=2, action_dim=2)
    shifted = planner.plan(rounded(constant=64.0), batch=2, action_dim=2)
    assert torch.equal(base.actions, shifted.actions), "a constant in the cost changed the plan"
    if entry.invariant_to_scale:
        scaled = planner.plan(rounded(factor=256.0), batch=2, action_dim=2)
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

    planner = entry.planner(3)
    recorder = Recorder(clean.cost, poisoned)
    plan = solve(planner, Instance(recorder, clean.optimum, 2), 3, seeds=[1, 2, 3])
    assert plan.cost[0].isfinite()
    assert plan.actions[0, 0, 0] >= 0.0, "a sequence with a NaN cost won"
    assert plan.actions.isfinite().all()
    assert plan.cost[1].isnan()
    assert plan.outcome[1] is Outcome.non_finite_cost
    assert plan.outcome[0] is not Outcome.non_finite_cost
    assert plan.trace.num_non_finite[1] == sum(costs.shape[1] for costs in recorder.costs)
    assert plan.trace.num_non_finite[2] == 0
    fine = solve(planner, clean, 3, seeds=[1, 2, 3])
    assert torch.equal(plan.actions[2], fine.actions[2]), "another row's NaN changed this plan"
    idle = clean.cost(torch.zeros(3, 1, 3, 2))[0, 0]
    tolerance = max(0.05, 1.5 * entry.tolerances.get("separable", 0.0))
    assert plan.cost[0] <= tolerance * idle, "NaN misled the search"


def check_flat(entry: Entry) -> None:
    """Where nothing matters, the plan is finite and inside the bounds."""
    instance = flat(range(2), 3)
    plan = solve(brief(entry, 3), instance, 2)
    assert plan.actions.isfinite().all()
    assert plan.actions.abs().max() <= 1
    assert torch.equal(plan.cost, instance.optimum)


def check_half_precision(entry: Entry) -> None:
    """A bfloat16 cost is shown bfloat16 actions and solved about as well as bfloat16 can tell."""

    def halved(before: Tensor, actions: Tensor, times: slice) -> Tensor:
        error = (actions - 0.5).square()
        return before + error[..., :1] + error[..., 1:]

    cost = Stepwise(lambda actions: (actions - 0.5).square().sum((2, 3)), halved, start=torch.zeros(1, 1))
    recorder = Recorder(cost)
    init = torch.zeros(2, 3, 2, dtype=torch.bfloat16)
    plan = entry.planner(3).plan(recorder, batch=2, action_dim=2, init=init, bounds=(-1.0, 1.0))
    assert {shown.dtype for shown in recorder.actions} == {torch.bfloat16}, "the cost was shown another dtype"
    assert plan.actions.dtype == torch.bfloat16
    assert plan.cost.isfinite().all()
    assert torch.equal(plan.cost, cost(plan.actions.unsqueeze(1))[:, 0].to(plan.cost))
    tolerance = max(0.05, entry.tolerances.get("separable", 0.0))
    assert (plan.cost <= tolerance * cost(init.unsqueeze(1))[:, 0]).all(), "lost in half precision"


def check_compiled(entry: Entry) -> None:
    """A cost that torch.compile traced, gradient included, gives the same plan without a graph break."""
    instance = separable(range(2), 3)
    planner = brief(entry, 3)
    eager = solve(planner, instance, 2)
    torch.compiler.reset()
    compiled = Recorder(instance.cost, torch.compile(instance.cost.cost, backend="aot_eager", fullgraph=True))
    traced = solve(planner, Instance(compiled, instance.optimum, 2), 2)
    torch.testing.assert_close(traced.cost, eager.cost)
    torch.testing.assert_close(traced.actions, eager.actions, atol=1e-5, rtol=0)


def check_time_budget(entry: Entry) -> None:
    """An evaluation takes a second of a fake clock: as many begin as the budget has begun seconds, no more.

    The budgets run through a whole cycle of every planner. The plan's true cost is told all the same.
    """
    instance = separable(range(2), 3)
    planner = entry.planner(3)
    planner.num_iterations = 1000  # a budget that is never spent otherwise

    for most in range(1, 26):
        with fake_clock() as clock:
            slow = Recorder(instance.cost, _lasting(1.0, clock, instance.cost))
            slow.rollout = _lasting(1.0, clock, slow.rollout)
            slow.transition = _lasting(1.0, clock, slow.transition)
            options = {"time_budget": most - 0.5}
            plan = solve(planner, Instance(slow, instance.optimum, 2, (-1.0, 1.0)), 2, **options)
        assert set(plan.outcome) <= {Outcome.time_limit, Outcome.converged}, "spent its iterations"
        assert plan.actions.shape == (2, 3, 2)
        assert plan.actions.abs().max() <= 1
        true_cost = instance.cost(plan.actions.unsqueeze(1))[:, 0]
        assert torch.equal(plan.cost, true_cost), "not the plan's true cost"
        assert len(slow.actions) <= most, "went on after the time was up"
        assert len(slow.actions) == most, "stopped before the time was up"


def _lasting(seconds: float, clock: FakeClock, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def call(*arguments: Tensor) -> Tensor:
        clock.seconds += seconds
        return function(*arguments)

    return call


CHECKS = (
    check_bounds_and_best,
    check_splitting,
    check_permuting_and_padding,
    check_constant_and_scale,
    check_randomness,
    check_non_finite,
    check_flat,
    check_half_precision,
    check_compiled,
    check_time_budget,
)


def check_problems(entry: Entry) -> None:
    """Every problem at a middle size."""
    for problem in PROBLEMS:
        check_optimum(entry, problem, batch=3, horizon=5)
