"""Guesses that stay, elites by weight, and the plan that is drawn."""

import pytest
import torch
from torch import Tensor

from leworld.planners import CEMPlanner, KeepGuesses, MPPIPlanner, Planner

SHOWN: list[Tensor] = []
GUESSES = torch.linspace(-3, 3, 2 * 4 * 2 * 1).reshape(2, 4, 2, 1)  # further ones of each row
START = torch.full((2, 1, 2, 1), 0.3)
PLANNERS = {
    "CEM": lambda: CEMPlanner(2, 20, num_elites=5, num_iterations=4),
    "MPPI": lambda: MPPIPlanner(2, 20, num_iterations=4, num_elites=5, min_std=0.05),
}


def noting(actions: Tensor) -> Tensor:
    SHOWN.append(actions.clone())
    return (actions - 0.5).square().sum((2, 3))


def shown(planner: Planner, **options) -> list[Tensor]:
    SHOWN.clear()
    init = torch.cat((START, GUESSES), dim=1)
    planner.plan(noting, batch=2, action_dim=1, **{"init": init, **options})
    return list(SHOWN[: planner.num_iterations])


@pytest.mark.parametrize("name", PLANNERS)
def test_guesses_stay_unchanged_through_all_iterations(name: str) -> None:
    candidates = shown(KeepGuesses(PLANNERS[name]()))
    assert all(torch.equal(one[:, :4], GUESSES) for one in candidates)
    assert all(one.shape[1] == 20 for one in candidates)
    assert not torch.equal(candidates[0][:, 4], START[:, 0])
    alone = shown(PLANNERS[name]())  # where they compete once, behind the mean
    assert torch.equal(alone[0][:, 1:5], GUESSES)
    assert not torch.isin(GUESSES, alone[1]).any()


@pytest.mark.parametrize("name", PLANNERS)
def test_guesses_are_kept_inside_the_bounds(name: str) -> None:
    candidates = shown(KeepGuesses(PLANNERS[name]()), bounds=(-1.0, 1.0))
    assert all(torch.equal(one[:, :4], GUESSES.clamp(-1, 1)) for one in candidates)


@pytest.mark.parametrize("name", PLANNERS)
def test_without_further_guesses_it_is_the_planner(name: str) -> None:
    one, other = (shown(planner, init=None) for planner in (PLANNERS[name](), KeepGuesses(PLANNERS[name]())))
    assert all(map(torch.equal, one, other))


def test_more_guesses_than_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="num_samples=4"):
        shown(KeepGuesses(CEMPlanner(2, 4, num_elites=2, num_iterations=1)))


def test_elites_and_deviations_by_hand() -> None:
    """One iteration: the five cheapest of what was shown, weighted by exp(-cost / T)."""
    planner = MPPIPlanner(
        2, 20, num_iterations=1, num_elites=5, min_std=0.01, temperature=2.0, scale="fixed", init_std=0.7
    )
    (candidates,) = shown(planner)
    found = planner.plan(noting, batch=2, action_dim=1, init=torch.cat((START, GUESSES), dim=1))
    for row in range(2):
        costs = noting(candidates)[row]
        best = costs.argsort()[:5]
        weights = (-costs[best] / 2.0).softmax(0)[:, None, None]
        mean = (weights * candidates[row, best]).sum(0)
        std = (weights * (candidates[row, best] - mean).square()).sum(0).sqrt().clamp(0.01, 0.7)
        torch.testing.assert_close(found.actions[row], mean)
        torch.testing.assert_close(found.trace.std[row, 0], std.square().mean().sqrt())


def test_the_drawn_plan_is_an_elite_as_often_as_it_weighs() -> None:
    options = {"num_iterations": 1, "num_elites": 2, "temperature": 1.0, "scale": "fixed"}
    mean = MPPIPlanner(1, 4, **options)
    drawn = MPPIPlanner(1, 4, **options, returns="draw")

    def cost(actions: Tensor) -> Tensor:  # 0 and ln 3 for the two cheapest: 3 to 1
        place = actions.flatten(2).argsort(1).argsort(1).squeeze(-1)
        return torch.tensor([0.0, 1.0986123, 50.0, 60.0])[place]

    rows = 4000
    plans = drawn.plan(cost, batch=rows, action_dim=1, generator=3)
    means = mean.plan(cost, batch=rows, action_dim=1, generator=3)
    assert plans.elites is not None
    torch.testing.assert_close(plans.elites[:, 0], means.actions)
    # The mean lies a quarter of the way from the cheapest to the other.
    share = (plans.actions < means.actions).double().mean().item()
    assert abs(share - 0.75) < 5 * (0.75 * 0.25 / rows) ** 0.5
