"""Refitting to elites and remembering the best, each against numpy, and a gallery that must fail."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from leworld.planners import Evaluated, Evaluator, Problem
from leworld.planners._refit import refit_gaussian

SHAPES = [(1, 1, 1, 1), (1, 300, 5, 2), (3, 31, 1, 1), (4, 30, 25, 3), (2, 129, 3, 7)]
ODD = [math.nan, math.inf, -math.inf]
CASES = [
    (shape, num, correction, spoiled)
    for shape in SHAPES
    for num in sorted({1, min(2, shape[1]), min(30, shape[1]), shape[1]})
    for correction in (0, 1)
    for spoiled in sorted({0, shape[1] // 2, shape[1] - 1, shape[1]})
]


def drawn(shape, seed=0):
    source = torch.Generator().manual_seed(seed)
    actions = torch.randn(shape, generator=source) + 3.0
    return Evaluated(actions, torch.randn(shape[:2], generator=source))


def expected_refit(scored, num, mean, std, correction):
    """Mean and standard deviation of the elites in float64, row by row."""
    means, stds = mean.double().numpy().copy(), std.double().numpy().copy()
    for row, values in enumerate(scored.costs.double().numpy()):
        usable = np.flatnonzero(np.isfinite(values))
        chosen = usable[np.argsort(values[usable], kind="stable")[:num]]
        if len(chosen):
            elites = scored.actions[row].double().numpy()[chosen]
            means[row] = elites.mean(0)
            stds[row] = elites.std(0, ddof=min(correction, len(chosen) - 1))
    return torch.from_numpy(means), torch.from_numpy(stds).clamp(min=0.4)


def check_refit(refit, shape, num, correction, spoiled):
    scored = drawn(shape)
    scored.costs[:, :spoiled] = math.inf
    mean, std = torch.full((shape[0], *shape[2:]), 7.0), torch.full((shape[0], *shape[2:]), 0.5)
    found = refit(scored, num, mean, std, correction=correction, floor=0.4)
    expected = expected_refit(scored, num, mean, std, correction)
    for got, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(got.double(), wanted, atol=2e-6, rtol=1e-6)
    assert mean.eq(7.0).all(), "wrote to its input"
    assert std.eq(0.5).all(), "wrote to its input"
    if not spoiled:
        told = refit(replace(scored, all_finite=True), num, mean, std, correction=correction, floor=0.4)
        assert all(torch.equal(a, b) for a, b in zip(told, found, strict=True)), (
            "other bits where all is finite"
        )


@pytest.mark.parametrize(("shape", "num", "correction", "spoiled"), CASES)
def test_refit(shape, num, correction, spoiled):
    check_refit(refit_gaussian, shape, num, correction, spoiled)


@pytest.mark.parametrize("seed", range(20))
def test_selection_among_ties(seed):
    """Few distinct costs: every elite costs no more than every other sample, and there are exactly `num`."""
    source = torch.Generator().manual_seed(seed)
    costs = torch.randint(0, 4, (1, 24), generator=source).float()
    marks = torch.arange(24.0).exp2().view(1, 24, 1, 1)
    mean, _ = refit_gaussian(
        Evaluated(marks, costs), 8, torch.zeros(1, 1, 1), torch.zeros(1, 1, 1), correction=0
    )
    total = round(mean.item() * 8)
    chosen = [place for place in range(24) if total >> place & 1]
    assert len(chosen) == 8
    others = [place for place in range(24) if place not in chosen]
    assert costs[0, chosen].max() <= costs[0, others].min()


@pytest.mark.parametrize("all_finite", [True, False])
def test_rows_do_not_see_each_other(all_finite):
    scored = drawn((65, 300, 5, 2))
    if not all_finite:
        scored.costs[5], scored.costs[6, :290] = math.inf, math.inf
    mean, std = torch.zeros(65, 5, 2), torch.ones(65, 5, 2)
    together = refit_gaussian(replace(scored, all_finite=all_finite), 30, mean, std, correction=1)
    for row in (0, 3, 5, 6, 64):
        one = slice(row, row + 1)
        alone = Evaluated(scored.actions[one], scored.costs[one], all_finite)
        for whole, single in zip(
            together, refit_gaussian(alone, 30, mean[one], std[one], correction=1), strict=True
        ):
            assert torch.equal(whole[one], single)


def check_memory(evaluator):
    scored = drawn((4, 50, 3, 2))
    actions, costs = scored.actions, scored.costs
    costs[0, 10], costs[1], costs[2, :3], costs[3, 7] = -9.0, math.nan, torch.tensor(ODD), -50.0
    answers = [costs, costs[:, 5:6].nan_to_num(), costs[:, :0]]
    problem = Problem(
        torch.full_like(actions[:, 0], 5.0), None, None, torch.zeros(4, dtype=torch.int64), actions.dtype
    )
    evaluate = evaluator(lambda _: answers.pop(0), problem)
    first = evaluate(actions)
    assert not first.all_finite, "costs that are not finite were called finite"
    assert torch.equal(first.costs, torch.where(costs.isfinite(), costs, math.inf)), "not a clean copy"
    fine = answers[0]
    second = evaluate(actions[:, 5:6])
    assert second.all_finite, "finite costs were called other"
    assert second.costs.data_ptr() != fine.data_ptr(), "not a copy"
    evaluate(actions[:, :0])
    best, best_costs = evaluate.best_actions, evaluate.best_cost
    assert torch.equal(best[0], actions[0, 10])
    assert best_costs[0] == -9
    assert torch.equal(best[1], actions[1, 5]), "NaN won, or the first finite cost did not"
    lowest = costs[2, 3:].argmin() + 3
    assert torch.equal(best[2], actions[2, lowest]), "an infinite cost won"
    assert torch.equal(best[3], actions[3, 7]), "a worse one replaced the best"
    assert best_costs[3] == -50
    best.zero_()
    assert torch.equal(evaluate.best_actions[0], actions[0, 10]), "the memory was handed out"


def test_the_best_is_remembered():
    check_memory(Evaluator)


def population(scored, num, mean, std, *, correction, floor):
    return refit_gaussian(scored, num, mean, std, correction=0, floor=floor)


def highest(scored, num, mean, std, *, correction, floor):
    turned = replace(scored, costs=-scored.costs)
    return refit_gaussian(turned, num, mean, std, correction=correction, floor=floor)


def one_more(scored, num, mean, std, *, correction, floor):
    more = min(num + 1, scored.costs.shape[1])
    return refit_gaussian(scored, more, mean, std, correction=correction, floor=floor)


def no_floor(scored, num, mean, std, *, correction, floor):
    return refit_gaussian(scored, num, mean, std, correction=correction)


def infinite_are_elites(scored, num, mean, std, *, correction, floor):
    told = replace(scored, all_finite=True)
    return refit_gaussian(told, num, mean, std, correction=correction, floor=floor)


@pytest.mark.parametrize("wrong", [population, highest, one_more, no_floor, infinite_are_elites])
def test_wrong_refits_are_found(wrong):
    def check_every_refit():
        for case in CASES:
            check_refit(wrong, *case)

    with pytest.raises(AssertionError):
        check_every_refit()


class Forgetful:
    """Keeps the last."""

    def __init__(self, cost, problem):
        self.cost, self.problem = cost, problem
        self.inner = Evaluator(cost, problem)

    def __call__(self, actions):
        self.inner = Evaluator(self.cost, self.problem)
        return self.inner(actions)

    best_actions = property(lambda self: self.inner.best_actions)
    best_cost = property(lambda self: self.inner.best_cost)


def lets_minus_infinity_win(cost, problem):
    return Evaluator(lambda actions: cost(actions).nan_to_num(nan=9e9), problem)


@pytest.mark.parametrize("wrong", [Forgetful, lets_minus_infinity_win])
def test_wrong_memories_are_found(wrong):
    with pytest.raises(AssertionError):
        check_memory(wrong)
