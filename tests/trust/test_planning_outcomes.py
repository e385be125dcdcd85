"""Cost, feasibility and outcome are those of the actions that are returned, whatever the costs are like."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from leworld.planners import LagrangianPlanner, Outcome, Plan, Planner
from tests.fake_clock import fake_clock
from tests.planners.conformance import Recorder
from tests.planners.wrong import Outside
from tests.trust.planning import CASES, HORIZON, SIZE, Case, cem, lifted, loose, quadratic

TOLERANCE = 1e-3  # of LagrangianPlanner


def first(actions: Tensor) -> Tensor:
    return actions[:, :, 0, 0]


def rowwise(values: Tensor, actions: Tensor) -> Tensor:
    """Spoil the second row only."""
    second = torch.arange(len(actions))[:, None] == 1
    return torch.where(second, values, quadratic(actions))


COSTS: dict[str, Callable[[Tensor], Tensor]] = {
    "plain": quadratic,
    "NaN on one side": lambda a: torch.where(first(a) > 0, quadratic(a), torch.nan),
    "NaN where it is good": lambda a: torch.where(quadratic(a) < 0.5, torch.nan, quadratic(a)),
    "-inf where it is good": lambda a: torch.where(quadratic(a) < 0.5, -torch.inf, quadratic(a)),
    "inf nearly everywhere": lambda a: torch.where(first(a).abs() < 0.05, quadratic(a), torch.inf),
    "a row of NaN": lambda a: rowwise(torch.full(a.shape[:2], torch.nan), a),
    "a row of -inf": lambda a: rowwise(torch.full(a.shape[:2], -torch.inf), a),
    "nothing finite": lambda a: quadratic(a) * torch.nan,
    "ties": lambda a: quadratic(a).detach().floor() + 0.0 * quadratic(a),
    "one value": lambda a: 1.0 + 0.0 * quadratic(a),
    "huge": lambda a: quadratic(a) * 1e37,
    "float64": lambda a: quadratic(a).double() * 1e50 - 1e60,
    "slopes of NaN": lambda a: quadratic(a) + 0.0 * (a - a.detach()).sum((2, 3)).sqrt(),
}
CONSTRAINTS: dict[str, Callable[[Tensor], Tensor]] = {
    "loose": loose,
    "binding": lambda a: first(a)[..., None] + 0.2,
    "opposed": lambda a: torch.stack((first(a) + 0.2, a[:, :, 1, 1]), -1),
    "impossible": lambda a: 1.0 + a.square().sum((2, 3))[..., None],
    "NaN": lambda a: a.sum((2, 3))[..., None] * torch.nan,
    "partly NaN": lambda a: torch.where(first(a) < -0.5, torch.nan, first(a))[..., None],
    "yes or no": lambda a: (first(a) > -0.2)[..., None],
    "none": lambda a: a.new_zeros((*a.shape[:2], 0)),
}
OPTIONS: dict[str, dict] = {
    "plain": {},
    "bounds": {"bounds": (-0.4, [0.25, 0.5])},
    "a point": {"bounds": (0.125, 0.125)},
    "chunks": {"max_candidates": 14, "bounds": (-1.0, 1.0)},
    "half": {"init": torch.zeros(2, HORIZON, SIZE, dtype=torch.bfloat16), "bounds": (-0.3, 0.3)},
    "guesses": {"init": torch.linspace(-1, 1, 24).reshape(2, 3, HORIZON, SIZE)},
    "no time": {"time_budget": 0.5},
}


def fails(constraint, actions: Tensor) -> Tensor:
    limits = constraint(actions)
    return ~(limits <= TOLERANCE).all(-1)


@dataclass(frozen=True)
class Situation:
    cost: str
    constraint: str
    option: str

    def __str__(self) -> str:
        return f"{self.cost}, {self.constraint}, {self.option}"


def solve(case: Case, situation: Situation) -> tuple[Plan, Recorder, Planner]:
    constraint = CONSTRAINTS[situation.constraint]
    planner = case.build(constraint)
    recorder = Recorder(lifted(COSTS[situation.cost]))
    options = {"batch": 2, "action_dim": SIZE, "generator": [5, 6]} | OPTIONS[situation.option]
    if situation.option == "no time":
        with fake_clock(step=0.2):
            return planner.plan(recorder, **options), recorder, planner
    return planner.plan(recorder, **options), recorder, planner


def check_true(case: Case, situation: Situation) -> None:
    plan, recorder, planner = solve(case, situation)
    cost, constraint = COSTS[situation.cost], CONSTRAINTS[situation.constraint]
    where = f"{case}: {situation}"
    told = cost(plan.actions[:, None])[:, 0]
    assert plan.actions.isfinite().all(), where
    if "bounds" in OPTIONS[situation.option]:
        low, high = (torch.as_tensor(end).double() for end in OPTIONS[situation.option]["bounds"])
        inside = (plan.actions.double() >= low.float()) & (plan.actions.double() <= high.float())
        assert inside.all(), f"{where}: outside the bounds"
    shown, costs = torch.cat(recorder.costed, 1), torch.cat(recorder.costs, 1)
    finite = costs.isfinite()
    obeys = ~fails(constraint, shown) if case.constrained else torch.ones_like(finite)
    broken = fails(constraint, plan.actions[:, None])[:, 0]
    for row, outcome in enumerate(plan.outcome):
        assert (outcome is Outcome.non_finite_cost) == (not finite[row].any()), f"{where}: a false outcome"
        if outcome is Outcome.non_finite_cost:
            assert plan.cost[row].isnan(), where
            continue
        assert plan.cost[row] == told[row], f"{where}: not the cost of the actions"
        if not case.constrained:
            continue
        assert not (broken[row] and outcome is Outcome.converged), f"{where}: converged, and it does not obey"
        if (finite[row] & obeys[row]).any():
            assert not broken[row], f"{where}: one that obeys was seen and lost"
        if type(planner) is LagrangianPlanner:
            assert (outcome is Outcome.converged) == (not broken[row]), f"{where}: did not say that it obeys"
    if planner.keep_best:
        usable = finite & obeys
        best = torch.where(usable, costs, torch.inf).amin(1)
        seen = usable.any(1)
        assert (plan.cost[seen] == best[seen].to(plan.cost)).all(), f"{where}: a better one was seen and lost"
    if OPTIONS[situation.option].get("time_budget"):
        assert set(plan.outcome) <= {Outcome.time_limit, Outcome.converged, Outcome.non_finite_cost}, where


def situations(case: Case) -> list[Situation]:
    """All pairs of cost and option; for constrained ones those of a constraint with either.

    Wrappers get a third of the pairs with a constraint, each another one.
    """
    turn = 0 if case.name == "Lagrangian(CEM)" else sum(case.name.encode()) % 3 + 1
    constraints = list(CONSTRAINTS) if case.constrained else ["loose"]
    if case.constrained:
        pairs = itertools.chain(
            (Situation(cost, name, "plain") for cost, name in itertools.product(COSTS, constraints)),
            (Situation("plain", name, option) for name, option in itertools.product(constraints, OPTIONS)),
        )
        return [pair for place, pair in enumerate(pairs) if not turn or place % 3 == turn - 1]
    return [Situation(cost, "loose", option) for cost, option in itertools.product(COSTS, OPTIONS)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_is_said_is_true_of_the_actions(case):
    for situation in situations(case):
        check_true(case, situation)


def wrong_cost(horizon, cost, options):
    """Returns the mean with the cost of the best."""
    best = cem().plan(cost, **options)
    return replace(best, actions=cem(returns="mean").plan(cost, **options).actions)


def always_converged(horizon, cost, options):
    plan = cem().plan(cost, **options)
    return replace(plan, outcome=(Outcome.converged,) * 2)


def forgets(horizon, cost, options):
    """Goes back to the first guess at the end."""
    plan = cem().plan(cost, **options)
    start = torch.zeros(2, HORIZON, SIZE)
    return replace(plan, actions=start, cost=cost(start[:, None])[:, 0])


def outside(horizon, cost, options):
    return cem().plan(cost, **(options | {"bounds": None}))


@pytest.mark.parametrize(
    ("wrong", "constrained", "words"),
    [
        (wrong_cost, False, "not the cost"),
        (always_converged, False, "false outcome"),
        (always_converged, True, "does not obey"),
        (forgets, False, "seen and lost"),
        (outside, False, "outside the bounds"),
    ],
)
def test_an_untrue_plan_is_seen(wrong, constrained, words):
    case = Case(wrong.__name__, lambda constraint: Outside(HORIZON, wrong), constrained=constrained)

    def check_all():
        for situation in situations(replace(case, name="Lagrangian(CEM)")):
            check_true(case, situation)

    with pytest.raises(AssertionError, match=words):
        check_all()


@pytest.mark.parametrize("seed", range(20))
def test_a_candidate_without_a_cost_never_wins_for_obeying(seed):
    """What obeys has NaN for a cost; what has a cost does not obey."""

    def cost(actions):
        total = actions.sum((2, 3))
        return torch.where(total > 0, (total - 1).square(), torch.nan)

    planner = LagrangianPlanner(cem(), lambda a: a.sum((2, 3))[..., None] + 2 * TOLERANCE, num_rounds=2)
    plan = planner.plan(
        cost, batch=1, action_dim=SIZE, generator=seed, init=torch.full((1, HORIZON, SIZE), -0.1)
    )
    assert plan.outcome == (Outcome.iteration_limit,)
    assert torch.equal(plan.cost, cost(plan.actions[:, None])[:, 0])


def test_a_sequence_that_is_not_finite_never_wins():
    """A cost that hides NaN in the actions would let a planner's broken candidate win."""
    from leworld.planners import Evaluator, Problem

    problem = Problem(torch.zeros(1, 1, 1), None, None, torch.zeros(1, dtype=torch.int64), torch.float32)
    evaluate = Evaluator(lambda actions: actions.nan_to_num(nan=-5.0, posinf=-9.0).sum((2, 3)), problem)
    scored = evaluate(torch.tensor([torch.nan, 2.0, torch.inf]).reshape(1, 3, 1, 1))
    assert scored.costs.tolist() == [[torch.inf, 2.0, torch.inf]]
    assert evaluate.best_actions.item() == 2.0


def test_a_search_cut_short_in_its_first_half_has_not_converged():
    from leworld.planners import Refine

    planner = Refine(cem(tolerance=100.0), cem())
    with fake_clock(step=1.0):
        plan = planner.plan(quadratic, batch=1, action_dim=SIZE, time_budget=0.5)
    assert plan.outcome == (Outcome.time_limit,)


def test_a_gradient_that_is_not_finite_is_no_convergence():
    from tests.trust.planning import gradient

    plan = gradient().plan(lambda a: quadratic(a).double() * 1e50, batch=1, action_dim=SIZE)
    assert plan.outcome == (Outcome.iteration_limit,)
