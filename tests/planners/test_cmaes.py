"""CMA-ES beyond what every planner must do: its package, its bounds, and what the covariance is for."""

import sys

import numpy as np
import pytest
import torch

from leworld.errors import MissingExtraError
from leworld.planners import CEMPlanner, CMAESPlanner, Outcome
from leworld.planners._cmaes import _penalised


def test_without_the_package_it_says_which_extra_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "cmaes", None)
    with pytest.raises(MissingExtraError, match=r"leworld\[cmaes\]"):
        CMAESPlanner()


def test_defaults_spend_what_cem_spends():
    cmaes, cem = CMAESPlanner(), CEMPlanner()
    assert cmaes.num_samples * cmaes.num_iterations == cem.num_samples * cem.num_iterations


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_the_updates_are_the_packages(covariance):
    """One row and no bounds: the same seed given to the package itself visits the same points."""
    import cmaes

    from leworld._counter import words

    target = np.array([0.5, -1.0, 2.0])
    shown = []

    def cost(actions):
        shown.append(actions.double().numpy()[0, :, :, 0])
        return (actions[..., 0] - torch.from_numpy(target)).square().sum(2)

    init = torch.zeros(1, 3, 1, dtype=torch.float64)
    planner = CMAESPlanner(3, 8, num_iterations=5, covariance=covariance)
    planner.plan(cost, batch=1, action_dim=1, init=init)
    (seed,) = words(torch.zeros(1, dtype=torch.int64), 1, iteration=0)[:, 0].tolist()
    kind = cmaes.CMA if covariance == "full" else cmaes.SepCMA
    plain = kind(mean=np.zeros(3), sigma=1.0, seed=seed, population_size=8)
    for iteration in range(5):
        asked = np.stack([plain.ask() for _ in range(8)])
        np.testing.assert_allclose(shown[iteration], asked, rtol=1e-12)
        plain.tell([(point, float(np.square(point - target).sum())) for point in asked])
    np.testing.assert_allclose(shown[5][0], plain.mean, rtol=1e-12)


def test_the_covariance_learns_a_rotated_valley():
    """Along (1, 1, ..) nothing counts, across it much: full covariance gets further than a diagonal one."""
    across = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(3)))[0]
    scales = torch.logspace(0, 6, 6)

    def cost(actions):
        return (((actions[..., 0] - 1.0) @ across.to(actions)).square() * scales).sum(2)

    left = {
        covariance: CMAESPlanner(6, 20, num_iterations=120, covariance=covariance)
        .plan(cost, batch=1, action_dim=1)
        .cost.item()
        for covariance in ("full", "diagonal")
    }
    assert left["full"] < 1e-3 * left["diagonal"]


def test_the_penalty_is_zero_inside_and_on_the_costs_scale_outside():
    points = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 3.0], [1.0, 1.0]])
    clipped = points.clip(-1, 1)
    costs = np.array([1.0, 2.0, 3.0, np.inf])
    judged = _penalised(points, clipped, costs)
    spread = np.square(points - points.mean(0)).sum(1).mean()
    np.testing.assert_allclose(judged[:3], costs[:3] + np.array([0.0, 1.0, 4.0]) / spread)
    assert judged[3] == np.inf
    np.testing.assert_allclose(_penalised(points, clipped, 7 * costs), 7 * judged)


def test_a_tight_search_says_that_it_converged():
    found = CMAESPlanner(2, 20, num_iterations=80).plan(
        lambda actions: actions.square().sum((2, 3)), batch=2, action_dim=1
    )
    assert found.outcome == (Outcome.converged,) * 2
    assert found.trace.std.shape == (2, 80)
