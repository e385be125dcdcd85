"""Drawing, remembering and refitting: each implementation against numpy, and a gallery that must fail."""

import math

import numpy as np
import pytest
import torch

from leworld._counter import normal_table
from leworld.errors import KernelUnavailableError
from leworld.kernels import explain
from leworld.kernels.candidates import _native, _reference, candidates
from leworld.planners import CEMPlanner, ICEMPlanner, MPPIPlanner
from leworld.planners._problem import Problem

NAMES = ("native", "reference")
SHAPES = [(1, 1, 1, 1), (1, 300, 5, 2), (3, 31, 1, 1), (4, 30, 25, 3), (2, 129, 3, 7)]
ODD = [math.nan, math.inf, -math.inf]


@pytest.fixture(params=NAMES)
def module(request):
    if request.param == "native" and isinstance(_native.library(), str):
        pytest.fail(f"the C compiler that tests need is missing: {_native.library()}")
    return candidates(torch.zeros(1), request.param)


def problem(shape, seed=0):
    source = torch.Generator().manual_seed(seed)
    actions = torch.randn(shape, generator=source) + 3.0
    costs = torch.randn(shape[:2], generator=source)
    return actions, costs


def expected_refit(actions, costs, num, mean, std, correction):
    """Mean and standard deviation of the elites in float64, row by row."""
    means, stds = mean.double().numpy().copy(), std.double().numpy().copy()
    for row, values in enumerate(costs.double().numpy()):
        usable = np.flatnonzero(np.isfinite(values))
        chosen = usable[np.argsort(values[usable], kind="stable")[:num]]
        if len(chosen):
            elites = actions[row].double().numpy()[chosen]
            means[row] = elites.mean(0)
            stds[row] = elites.std(0, ddof=min(correction, len(chosen) - 1))
    return torch.from_numpy(means), torch.from_numpy(stds).clamp(min=0.4)


def check_refit(refit, shape, num, correction, spoiled):
    actions, costs = problem(shape)
    costs[:, :spoiled] = torch.tensor(ODD).repeat(-(-spoiled // 3))[:spoiled]
    mean, std = torch.full((shape[0], *shape[2:]), 7.0), torch.full((shape[0], *shape[2:]), 0.5)
    found = refit(actions, costs, num, mean, std, correction, 0.4)
    for got, wanted in zip(found, expected_refit(actions, costs, num, mean, std, correction), strict=True):
        torch.testing.assert_close(got.double(), wanted, atol=2e-6, rtol=1e-6)
    assert mean.eq(7.0).all(), "wrote to its input"
    assert std.eq(0.5).all(), "wrote to its input"


def check_every_refit(refit):
    for case in CASES:
        check_refit(refit, *case)


CASES = [
    (shape, num, correction, spoiled)
    for shape in SHAPES
    for num in {1, min(2, shape[1]), min(30, shape[1]), shape[1]}
    for correction in (0, 1)
    for spoiled in {0, shape[1] // 2, shape[1] - 1, shape[1]}
]


@pytest.mark.parametrize(("shape", "num", "correction", "spoiled"), CASES)
def test_refit(module, shape, num, correction, spoiled):
    check_refit(module.refit_gaussian, shape, num, correction, spoiled)


@pytest.mark.parametrize("seed", range(20))
def test_selection_among_ties(module, seed):
    """Few distinct costs: every elite costs no more than every other sample, and there are exactly `num`."""
    source = torch.Generator().manual_seed(seed)
    costs = torch.randint(0, 4, (1, 37), generator=source).float()
    marks = torch.arange(37.0).exp2().view(1, 37, 1, 1)[:, :24]
    costs = costs[:, :24]
    mean, _ = module.refit_gaussian(marks, costs, 8, torch.zeros(1, 1, 1), torch.zeros(1, 1, 1), 0, 0.0)
    total = round(mean.item() * 8)
    chosen = [place for place in range(24) if total >> place & 1]
    assert len(chosen) == 8
    others = [place for place in range(24) if place not in chosen]
    assert costs[0, chosen].max() <= costs[0, others].min()


def test_rows_do_not_see_each_other(module):
    actions, costs = problem((65, 300, 5, 2))
    actions[3, 7], costs[5] = math.nan, math.inf
    mean, std = torch.zeros(65, 5, 2), torch.ones(65, 5, 2)
    together = module.refit_gaussian(actions, costs, 30, mean, std, 1, 0.0)
    for row in (0, 3, 5, 64):
        one = slice(row, row + 1)
        alone = module.refit_gaussian(actions[one], costs[one], 30, mean[one], std[one], 1, 0.0)
        for whole, single in zip(together, alone, strict=True):
            assert torch.equal(whole[one].nan_to_num(), single.nan_to_num())


def check_keep_best(keep):
    actions, costs = problem((4, 50, 3, 2))
    costs[0, 10], costs[1], costs[2, :3] = -9.0, math.nan, torch.tensor(ODD)
    best, best_costs = torch.full((4, 3, 2), 5.0), torch.tensor([math.inf, math.inf, math.inf, -50.0])
    copy, all_finite = keep(actions, costs, best, best_costs)
    assert not all_finite
    assert torch.equal(copy, torch.where(costs.isfinite(), costs, math.inf)), "not a clean copy"
    assert torch.equal(best[0], actions[0, 10])
    assert best_costs[0] == -9
    assert best[1].eq(5).all()
    assert best_costs[1] == math.inf, "NaN won"
    lowest = costs[2, 3:].argmin() + 3
    assert torch.equal(best[2], actions[2, lowest]), "an infinite cost won"
    assert best[3].eq(5).all(), "a worse one replaced the best"
    assert best_costs[3] == -50
    fine = costs[:, 5:6].nan_to_num()
    copy, all_finite = keep(actions[:, 5:6], fine, best, best_costs)
    assert all_finite, "finite costs were called other"
    assert copy.data_ptr() != fine.data_ptr(), "not a copy"
    assert keep(actions[:, :0], costs[:, :0], best, best_costs)[1]


def test_keep_best(module):
    check_keep_best(module.keep_best)


@pytest.mark.parametrize("number", [True, False])
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 5, 2), (3, 25, 7)])
def test_sample(module, shape, number):
    """Sample 0 is the mean, bit for bit; the others are the table's numbers scaled and shifted."""
    table, places = normal_table(), [11, 2_000_001, 77][: shape[0]]
    mean = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    std = 0.3 if number else torch.rand(shape, generator=torch.Generator().manual_seed(1))
    drawn = module.sample_gaussian(table, places, mean, std, 40)
    size = mean[0].numel()
    noise = (
        torch.stack([table[place : place + 40 * size] for place in places]).view(-1, 40, *shape[1:]).double()
    )
    spread = std if number else std.double().unsqueeze(1)
    expected = mean.double().unsqueeze(1) + spread * noise
    assert torch.equal(drawn[:, 0], mean)
    torch.testing.assert_close(drawn[:, 1:].double(), expected[:, 1:], atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("planner", [CEMPlanner, ICEMPlanner, MPPIPlanner])
def test_a_search_takes_the_same_way_without_a_compiler(planner, monkeypatch):
    """Noise is the same and the arithmetic equal to rounding, so the searches stay together."""
    plan = lambda: planner(4, 60).plan(lambda a: (a - 0.4).square().sum((2, 3)), batch=2, action_dim=2)  # noqa: E731
    compiled = plan()
    monkeypatch.setattr(Problem, "kernels", _reference)
    plain = plan()
    torch.testing.assert_close(compiled.actions, plain.actions, atol=1e-4, rtol=0)
    torch.testing.assert_close(compiled.trace.std, plain.trace.std, atol=1e-4, rtol=1e-3)
    assert not torch.equal(compiled.actions, torch.zeros_like(compiled.actions))


def test_choice():
    assert "native: chosen" in explain("candidates", torch.zeros(1))
    assert candidates(torch.zeros(1, dtype=torch.float64)) is _reference
    with pytest.raises(KernelUnavailableError, match="float32 only"):
        candidates(torch.zeros(1, dtype=torch.float64), "native")


def population(actions, costs, num, mean, std, correction, floor):
    return _reference.refit_gaussian(actions, costs, num, mean, std, 0, floor)


def highest(actions, costs, num, mean, std, correction, floor):
    return _reference.refit_gaussian(actions, -costs, num, mean, std, correction, floor)


def one_more(actions, costs, num, mean, std, correction, floor):
    return _reference.refit_gaussian(
        actions, costs, min(num + 1, costs.shape[1]), mean, std, correction, floor
    )


def no_floor(actions, costs, num, mean, std, correction, floor):
    return _reference.refit_gaussian(actions, costs, num, mean, std, correction, 0.0)


def infinite_are_elites(actions, costs, num, mean, std, correction, floor):
    return _reference.refit_gaussian(actions, costs.nan_to_num(), num, mean, std, correction, floor)


@pytest.mark.parametrize("wrong", [population, highest, one_more, no_floor, infinite_are_elites])
def test_wrong_refits_are_found(wrong):
    with pytest.raises(AssertionError):
        check_every_refit(wrong)


def keeps_the_last(actions, costs, best, best_costs):
    return _reference.keep_best(actions, costs, best, best_costs.fill_(math.inf))


def lets_minus_infinity_win(actions, costs, best, best_costs):
    return _reference.keep_best(actions, costs.nan_to_num(nan=9e9), best, best_costs)


@pytest.mark.parametrize("wrong", [keeps_the_last, lets_minus_infinity_win])
def test_wrong_memories_are_found(wrong):
    with pytest.raises(AssertionError):
        check_keep_best(wrong)
