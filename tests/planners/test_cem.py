import pytest
import torch

from leworld.planners import CEMPlanner, Evaluator, Outcome, Problem


def problem_of(init, seed=3):
    return Problem(init, None, None, torch.full((len(init),), seed), torch.float32)


def check_one_elite(planner):
    """With a single elite the search must go on: the best cost still falls in the second half."""
    found = planner.plan(lambda a: (a - 3.0).square().sum((2, 3)), batch=1, action_dim=2)
    best = found.trace.best_cost[0]
    assert found.actions.isfinite().all()
    assert best[-1] < best[len(best) // 2], "the search froze"


def test_one_iteration_by_hand():
    """Mean, sample standard deviation and the mean as candidate, recomputed from the noise."""
    planner = CEMPlanner(2, 20, num_elites=4, init_std=0.7)
    start = torch.tensor([[[0.1], [0.2]]])
    problem = problem_of(start)

    def cost(actions):
        return (actions - 1.0).square().sum((2, 3))

    state = planner.step(problem, planner.init(problem), Evaluator(cost, problem), 5)
    noise = problem.sample(torch.zeros(1, 2, 1), 1.0, 20, iteration=5)[0].double()
    assert (noise[0] == 0).all()
    candidates = start.double() + 0.7 * noise
    elites = candidates[(candidates - 1).square().sum((1, 2)).argsort()[:4]]
    torch.testing.assert_close(state.actions[0].double(), elites.mean(0), atol=1e-6, rtol=0)
    expected = ((elites - elites.mean(0)).square().sum(0) / 3).sqrt()
    torch.testing.assert_close(state.memory[0].double(), expected, atol=1e-6, rtol=0)


def test_defaults_are_lewms():
    planner = CEMPlanner()
    assert (planner.horizon, planner.num_samples, planner.num_elites) == (5, 300, 30)
    assert (planner.num_iterations, planner.init_std, planner.keep_best) == (30, 1.0, True)


def test_one_elite():
    check_one_elite(CEMPlanner(2, 50, num_elites=1, min_std=0.02))
    with pytest.raises(AssertionError, match="froze"):
        check_one_elite(CEMPlanner(2, 50, num_elites=1, min_std=0.0))


def test_one_sample_is_the_mean():
    found = CEMPlanner(2, 1, num_elites=1).plan(lambda a: a.square().sum((2, 3)), batch=1, action_dim=1)
    assert torch.equal(found.actions, torch.zeros(1, 2, 1))


def test_fewer_finite_costs_than_elites():
    """With 3 finite candidates and 10 elites wanted, the Gaussian is that of the three."""
    planner = CEMPlanner(1, 20, num_elites=10)
    problem = problem_of(torch.zeros(1, 1, 1))

    def cost(actions):
        costs = actions.square().sum((2, 3))
        return torch.where(torch.arange(20) < 3, costs, torch.nan)

    state = planner.step(problem, planner.init(problem), Evaluator(cost, problem), 0)
    three = problem.sample(torch.zeros(1, 1, 1), 1.0, 20, iteration=0)[:, :3]
    torch.testing.assert_close(state.actions, three.mean(1))
    torch.testing.assert_close(state.memory, three.std(1, correction=1))


def test_mean_is_returned_when_asked():
    costs = []

    def cost(actions):
        costs.append(actions.clone())
        return actions.sum((2, 3)).abs()

    found = CEMPlanner(2, 30, num_elites=3, num_iterations=3, returns="mean").plan(
        cost, batch=1, action_dim=1
    )
    assert torch.equal(found.actions, costs[-1][:, 0])
    assert costs[-1].shape[1] == 1
    torch.testing.assert_close(found.cost, found.actions.sum((1, 2)).abs())


def test_converged():
    quick = CEMPlanner(2, tolerance=0.05).plan(lambda a: a.square().sum((2, 3)), batch=2, action_dim=1)
    assert quick.outcome == (Outcome.converged,) * 2
    assert (quick.trace.std[:, -1] <= 0.05).all()
