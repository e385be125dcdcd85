"""iCEM, MPPI, random shooting and categorical CEM, beyond what every planner must do."""

import itertools
import math

import numpy as np
import pytest
import torch

from leworld.planners import (
    CategoricalCEMPlanner,
    Evaluator,
    ICEMPlanner,
    MPPIPlanner,
    Outcome,
    Problem,
    RandomShootingPlanner,
)
from leworld.planners._icem import _synthesis


def quadratic(actions):
    return (actions - 0.5).square().sum((2, 3))


def problem_of(init, seed=3):
    return Problem(init, None, None, torch.full((len(init),), seed), torch.float32)


def step(planner, init, cost, iteration=0):
    problem = problem_of(init)
    return planner.step(problem, planner.init(problem), Evaluator(cost, problem), iteration), problem


@pytest.mark.parametrize("horizon", [1, 2, 5, 8])
@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_coloured_noise(horizon, exponent):
    """Unit variance at every step; stationary; white for 0; power f^-exponent at every frequency."""
    synthesis = _synthesis(horizon, exponent)
    covariance = (synthesis @ synthesis.T).numpy()
    np.testing.assert_allclose(np.diag(covariance), 1.0, atol=1e-12)
    for lag in range(horizon):
        circulant = [covariance[t, (t + lag) % horizon] for t in range(horizon)]
        np.testing.assert_allclose(circulant, circulant[0], atol=1e-12)
    power = np.fft.rfft(covariance[0]).real
    expected = np.array([max(k, 1) ** -exponent for k in range(len(power))])
    np.testing.assert_allclose(power / power[0], expected, atol=1e-12)
    if exponent == 0:
        np.testing.assert_allclose(covariance, np.eye(horizon), atol=1e-12)


def test_icem_keeps_elites_and_shrinks():
    sizes, firsts = [], []

    def cost(actions):
        sizes.append(actions.shape[1])
        firsts.append(actions.clone())
        return quadratic(actions)

    planner = ICEMPlanner(3, 100, num_elites=10, num_iterations=6, kept_elites=0.3)
    planner.plan(cost, batch=1, action_dim=2)
    assert sizes == [100, 80 + 3, 64 + 3, 52 + 3, 41 + 3, 33 + 3 + 1, 1]
    best = quadratic(firsts[0])[0].argsort()[:3]
    assert torch.equal(firsts[1][0, -3:], firsts[0][0, best])


def test_mppi_weights_by_hand():
    costs = torch.tensor([[3.0, 1.0, float("nan"), 2.0, 1.5]])
    finite = np.array([3.0, 1.0, 2.0, 1.5])
    start = torch.zeros(1, 2, 1)
    for scale, temperature in (("fixed", 0.7), ("relative", 0.7 * finite.std())):
        planner = MPPIPlanner(2, 5, temperature=0.7, scale=scale)
        state, problem = step(planner, start, lambda actions: costs)
        candidates = problem.sample(start, 1.0, 5, iteration=0)[0].numpy().astype(np.float64)
        weights = np.exp(-(finite - 1.0) / temperature)
        expected = (weights[:, None, None] * candidates[[0, 1, 3, 4]]).sum(0) / weights.sum()
        np.testing.assert_allclose(state.actions[0].numpy(), expected, atol=1e-6)


def test_mppi_temperature_divides_the_cost():
    """Low temperatures follow the best sample, high ones the plain mean."""
    start = torch.zeros(1, 1, 1)
    cold, problem = step(MPPIPlanner(1, 50, temperature=1e-6), start, quadratic)
    candidates = problem.sample(start, 1.0, 50, iteration=0)
    best = candidates[0, quadratic(candidates).argmin()]
    torch.testing.assert_close(cold.actions[0], best, atol=1e-3, rtol=0)
    hot, _ = step(MPPIPlanner(1, 50, temperature=1e6), start, quadratic)
    torch.testing.assert_close(hot.actions[0], candidates[0].mean(0), atol=1e-4, rtol=0)


def test_mppi_fixed_temperature_knows_the_scale():
    planner = MPPIPlanner(2, scale="fixed", temperature=1.0)
    small = planner.plan(lambda a: 1e-3 * quadratic(a), batch=1, action_dim=1)
    large = planner.plan(lambda a: 1e3 * quadratic(a), batch=1, action_dim=1)
    assert quadratic(large.actions[:, None]) < 0.1 * quadratic(small.actions[:, None])


def test_random_shooting_by_hand():
    start = torch.full((1, 2, 1), 0.2)
    planner = RandomShootingPlanner(2, 10, init_std=0.5)
    found = planner.plan(quadratic, batch=1, action_dim=1, init=start)
    noise = problem_of(start, seed=0).sample(torch.zeros_like(start), 1.0, 10, iteration=0)
    candidates = start + 0.5 * noise
    assert torch.equal(found.actions[0], candidates[0, quadratic(candidates).argmin()])


MOVES = torch.tensor([[0.0, 0.0], [0.0, 1.0], [0.0, -1.0], [1.0, 0.0], [-1.0, 0.0]])


def maze(goals):
    """End near the goal, after passing near another point halfway; one pair of goals a row."""

    def cost(actions):
        path = actions.cumsum(2)
        end = (path[:, :, -1] - goals[:, None]).square().sum(-1)
        return end + 0.3 * (path[:, :, 1] + goals[:, None].flip(-1)).square().sum(-1)

    return cost


def test_categorical_cem_finds_the_optimum():
    goals = torch.tensor([[2.0, -1.0], [-1.0, 1.0], [0.0, 3.0]])
    cost = maze(goals)
    every = MOVES[torch.tensor(list(itertools.product(range(5), repeat=4)))]
    optimum = cost(every.expand(3, -1, -1, -1)).amin(1)
    generators = [torch.Generator().manual_seed(seed) for seed in (1, 2, 3)]
    planner = CategoricalCEMPlanner(MOVES, 4, num_iterations=60)
    found = planner.plan(cost, batch=3, action_dim=2, generator=generators)
    torch.testing.assert_close(found.cost, optimum)
    assert found.outcome == (Outcome.converged,) * 3
    order = [2, 0, 1]
    generators = [torch.Generator().manual_seed(seed) for seed in (3, 1, 2)]
    permuted = planner.plan(maze(goals[order]), batch=3, action_dim=2, generator=generators)
    assert torch.equal(permuted.actions, found.actions[order])
    assert all(row in MOVES.tolist() for row in found.actions.flatten(0, 1).tolist())


def test_categorical_cem_draws_by_probability():
    """Frequencies of the first iteration within 5.5 standard errors of uniform (below 1e-6 by chance)."""
    seen = []

    def cost(actions):
        seen.append(actions)
        return actions.sum((2, 3))

    CategoricalCEMPlanner(torch.eye(4), 3, num_samples=10_000, num_iterations=1).plan(
        cost, batch=1, action_dim=4
    )
    frequency = seen[0][0, 1:].mean(0)
    assert (frequency - 0.25).abs().max() < 5.5 * math.sqrt(0.25 * 0.75 / 9999)


def test_categorical_cem_starts_near_the_guess_when_asked():
    planner = CategoricalCEMPlanner(torch.eye(3), 2, num_iterations=1, init_weight=0.9)
    init = torch.tensor([[[0.0, 0.9, 0.0], [0.1, 0.0, 0.8]]])
    state = planner.init(problem_of(init))
    assert torch.equal(state.actions[0], torch.eye(3)[[1, 2]])
    torch.testing.assert_close(state.memory[0].sum(-1), torch.ones(1, 2))


def test_categorical_cem_without_a_finite_cost():
    found = CategoricalCEMPlanner(torch.eye(3), 2).plan(
        lambda actions: actions.sum((2, 3)) * torch.nan, batch=1, action_dim=3
    )
    assert found.outcome == (Outcome.non_finite_cost,)


def test_icem_takes_up_the_elites_of_a_former_call():
    """With them it starts where the last call ended; without them it does not know the narrow optimum."""

    def narrow(actions):
        return 1 - (-50 * (actions - 3.0).square().sum((2, 3))).exp()

    planner = ICEMPlanner(2, 20, num_elites=5, num_iterations=1, kept_elites=0.4)
    unaware = planner.plan(narrow, batch=2, action_dim=1)
    assert unaware.elites is not None
    assert unaware.elites.shape == (2, 2, 2, 1)
    guesses = torch.zeros(2, 3, 2, 1, dtype=torch.float32)
    guesses[:, 2] = 3.0
    aware = planner.plan(narrow, batch=2, action_dim=1, init=guesses)
    assert (unaware.cost > 0.5).all()
    assert (aware.cost == 0).all()
    assert aware.elites is not None
    assert torch.equal(aware.elites[:, 0], guesses[:, 2])
    assert aware.trace.num_evaluations == unaware.trace.num_evaluations + 2
    single = planner.plan(narrow, batch=2, action_dim=1, init=guesses[:, :1])
    assert torch.equal(single.actions, unaware.actions)
