"""Costs keep their dtype: in ranking, in memory, in weights, in combinations, in what is returned."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from leworld.costs import ConstrainedCost, EnsembleCost, WeightedSum
from leworld.planners import Evaluator, MPPIPlanner, Problem
from tests.planners.wrong import Outside
from tests.trust.planning import CASES, HORIZON, SIZE, cem, lifted, loose, quadratic


def stepped(factor: float = 1.0, constant: float = 0.0):
    """In float64, in whole multiples of 2^-20, with a slope for planners that need one."""

    def cost(actions: Tensor) -> Tensor:
        smooth = quadratic(actions.double())
        steps = (smooth.detach() * 2**20).round() / 2**20
        return (steps + (smooth - smooth.detach())) * factor + constant

    return lifted(cost)


def check_float64(case) -> None:
    planner = case.build(loose)
    options = {"batch": 2, "action_dim": SIZE, "generator": 3}
    base = planner.plan(stepped(), **options)
    assert base.actions.dtype == torch.float32
    assert base.cost.dtype == base.trace.best_cost.dtype == base.trace.mean_cost.dtype == torch.float64
    assert torch.equal(base.cost, stepped()(base.actions[:, None])[:, 0]), "rounded on the way"
    shifted = planner.plan(stepped(constant=2.0**30), **options)  # 2^-20 is 4e-17 of it, lost in float32
    assert torch.equal(shifted.actions, base.actions), "a constant changed the plan"
    assert torch.equal(shifted.cost, base.cost + 2.0**30)
    if case.scale:
        for factor in (2.0**160, 2.0**900, 2.0**-160, 2.0**-900):
            scaled = planner.plan(stepped(factor), **options)
            assert torch.equal(scaled.actions, base.actions), f"the scale {factor:g} changed the plan"
            assert torch.equal(scaled.cost, base.cost * factor)
            assert scaled.outcome == base.outcome


@pytest.mark.parametrize("case", CASES, ids=str)
def test_float64_costs_stay_float64(case):
    check_float64(case)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_half_actions_do_not_round_the_costs(case, kind):
    init = torch.zeros(1, HORIZON, SIZE, dtype=kind)
    plan = case.build(loose).plan(stepped(constant=2.0**30), batch=1, action_dim=SIZE, init=init)
    assert plan.actions.dtype == kind
    assert plan.cost.dtype == torch.float64
    assert torch.equal(plan.cost, stepped(constant=2.0**30)(plan.actions[:, None])[:, 0])
    assert plan.cost < stepped(constant=2.0**30)(init[:, None])[0]


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_costs_are_told_as_they_are(kind):
    plan = cem().plan(lambda actions: quadratic(actions).to(kind), batch=1, action_dim=SIZE)
    assert plan.cost.dtype == torch.float32
    assert torch.equal(plan.cost, quadratic(plan.actions[:, None])[:, 0].to(kind).float())


def rounds(horizon, cost, options):
    """As a planner that keeps costs in the dtype of the actions."""
    plan = cem().plan(lambda actions: cost(actions).float(), **options)
    return replace(plan, cost=plan.cost.double())


def test_a_planner_that_rounds_is_seen():
    wrong = replace(CASES[0], build=lambda constraint: Outside(HORIZON, rounds))
    with pytest.raises(AssertionError):
        check_float64(wrong)


def evaluated(costs: Tensor) -> tuple[Evaluator, Tensor]:
    init = torch.zeros(1, 1, 1, dtype=torch.float32)
    problem = Problem(init, None, None, torch.zeros(1, dtype=torch.int64), torch.float32)
    evaluate = Evaluator(lambda actions: costs, problem)
    candidates = torch.arange(costs.shape[1], dtype=torch.float32)
    return evaluate, evaluate(candidates.reshape(1, -1, 1, 1)).costs


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_the_best_is_exact_at_every_size(kind):
    """Neighbours in the dtype, huge ones, subnormal ones, and none that is not finite before a finite one."""
    limits = torch.finfo(kind)
    for value in (1.0, 1e9, limits.max / 2, -limits.max / 2, limits.tiny, limits.smallest_normal / 8, 0.0):
        high = torch.tensor(value, dtype=kind)
        low = torch.nextafter(high, torch.tensor(-torch.inf, dtype=kind))
        costs = torch.stack((high, low, high))[None]
        odd = torch.tensor([[torch.nan, torch.inf, -torch.inf]], dtype=kind)
        evaluate, kept = evaluated(torch.cat((odd, costs), 1))
        assert kept.dtype == kind
        assert evaluate.best_cost.item() == low.item()
        assert evaluate.best_actions.item() == 4


@pytest.mark.parametrize("value", [3e38, 1e-38, 1e-44])
def test_mppi_weighs_float32_costs_of_any_size(value):
    """Differences whose squares no float32 holds, as weights of costs of size 1 do."""
    planner = MPPIPlanner(1, 4, num_iterations=1)
    shape = torch.tensor([[1.0, 0.5, 0.25, 0.75]])

    def mean(costs):
        init = torch.zeros(1, 1, 1)
        problem = Problem(init, None, None, torch.zeros(1, dtype=torch.int64), torch.float32)
        return planner.step(problem, planner.init(problem), Evaluator(lambda _: costs, problem), 0).actions

    torch.testing.assert_close(mean(shape * value), mean(shape), rtol=0.02, atol=0)
    assert not torch.equal(mean(shape), mean(torch.ones_like(shape)))


def test_costs_from_end_to_end_of_float64():
    """Their differences are no finite number, and the order is clear all the same."""
    far = torch.finfo(torch.float64).max

    def cost(actions):
        costs = torch.full(actions.shape[:2], far, dtype=torch.float64)
        return torch.where(actions[:, :, 0, 0] > 0, -costs, costs)

    for case in CASES:
        if not case.slopes:
            init = torch.full((1, HORIZON, SIZE), 0.2)
            planner = case.build(loose)
            plan = planner.plan(cost, batch=1, action_dim=SIZE, init=init)
            assert plan.actions.isfinite().all(), case
            assert torch.equal(plan.cost, cost(plan.actions[:, None])[:, 0]), case
            assert plan.cost.item() == -far or not planner.keep_best, case


def test_a_mean_of_huge_costs_is_finite():
    plan = cem().plan(lambda a: 3e38 + 0 * quadratic(a), batch=1, action_dim=SIZE)
    torch.testing.assert_close(plan.trace.mean_cost, torch.full((1, 3), 3e38, dtype=torch.float32))


@pytest.mark.parametrize(
    ("combine", "expected"),
    [
        (lambda one, two: WeightedSum({"one": one, "two": two}, {"one": 1.0, "two": 1.0}), 1e9 + 1 + 1e-3),
        (lambda one, two: EnsembleCost([one, two]), (1e9 + 1 + 1e-3) / 2),
        (lambda one, two: EnsembleCost([one, two], reduce="worst"), 1e9 + 1e-3),
        (
            lambda one, two: ConstrainedCost(two, lambda actions: actions.sum((2, 3))[..., None] - 99),
            1e9 + 1e-3,
        ),
    ],
    ids=["sum", "mean", "worst", "constrained"],
)
def test_combinations_take_the_widest_dtype(combine, expected):
    def one(actions):
        return torch.ones(actions.shape[:2])

    def two(actions):
        return torch.full(actions.shape[:2], 1e9 + 1e-3, dtype=torch.float64)

    answer = combine(one, two)(torch.zeros(1, 2, 3, 1))
    assert answer.dtype == torch.float64
    assert answer.tolist() == [[expected] * 2]


def test_sums_of_half_costs_are_not_rounded_to_half():
    def half(actions):
        return torch.full(actions.shape[:2], 256.0, dtype=torch.bfloat16)

    actions = torch.zeros(1, 1, 1, 1)
    total = WeightedSum({"one": half, "two": half}, {"one": 1.0, "two": 0.001})(actions)
    assert total.item() == pytest.approx(256.256, rel=1e-6)
    assert EnsembleCost([half, lambda a: half(a) + 2])(actions).item() == 257.0


def test_a_constraint_in_float64_is_not_rounded():
    """1e9 + a - 1e9 in float64: in float32 every candidate would obey."""
    from leworld.planners import LagrangianPlanner

    def constraint(actions):
        return actions.double().sum((2, 3)).unsqueeze(-1) + 1e9 - (1e9 + 1e-5)

    plan = LagrangianPlanner(cem(), constraint, num_rounds=2, tolerance=0.0).plan(
        lambda actions: (actions.sum((2, 3)) - 2).square(), batch=1, action_dim=SIZE
    )
    assert (constraint(plan.actions[:, None]) <= 0).all()
