"""Gradient descent, constraints, and planners made of planners."""

from functools import partial

import pytest
import torch
from torch import nn

from leworld.planners import (
    BestSoFar,
    CEMPlanner,
    GradientPlanner,
    LagrangianPlanner,
    MPPIPlanner,
    Outcome,
    RandomShootingPlanner,
    Refine,
    WarmStart,
)


def quadratic(actions):
    return (actions - 0.5).square().sum((2, 3))


def test_the_gradient_reaches_the_actions_only():
    layer = nn.Linear(2, 3, dtype=torch.float32)
    layer.weight.grad = torch.full_like(layer.weight, 7.0)
    found = GradientPlanner(4, 2, num_iterations=5).plan(
        lambda actions: layer(actions).square().sum((2, 3)), batch=2, action_dim=2
    )
    assert (layer.weight.grad == 7.0).all(), "the model's gradient was touched"
    assert layer.bias.grad is None
    assert not found.actions.requires_grad


@pytest.mark.parametrize(
    "optimizer", [partial(torch.optim.SGD, lr=0.2), partial(torch.optim.RMSprop, lr=0.02), torch.optim.Rprop]
)
def test_any_optimizer(optimizer):
    found = GradientPlanner(3, 2, optimizer=optimizer).plan(quadratic, batch=2, action_dim=2)
    assert (found.cost < 1e-2).all()


def test_sgd_by_hand():
    """One start, plain SGD: a_n = 0.5 (1 - (1 - 2 lr)^n) on the quadratic."""
    planner = GradientPlanner(1, 1, num_iterations=5, optimizer=partial(torch.optim.SGD, lr=0.1))
    found = planner.plan(quadratic, batch=1, action_dim=1)
    torch.testing.assert_close(found.actions.item(), 0.5 * (1 - 0.8**5))


def test_gradient_converges_and_says_so():
    found = GradientPlanner(3, optimizer=partial(torch.optim.SGD, lr=0.3)).plan(
        quadratic, batch=1, action_dim=1
    )
    assert found.outcome == (Outcome.converged,)


def test_long_horizons_are_cheap_for_gradients():
    found = GradientPlanner(100, 2).plan(quadratic, batch=1, action_dim=10)
    assert found.cost.item() < 1e-3
    assert found.trace.num_evaluations == 201


def test_lagrangian_projects_onto_a_half_space():
    """The nearest point to (1, 1) with x + 2 y <= 1 is (0.6, 0.2); each row has its own limit."""
    limit = torch.tensor([1.0, -1.0, 9.0])

    def cost(actions):
        return (actions[:, :, 0] - 1.0).square().sum(-1)

    def constraint(actions):
        return (actions[:, :, 0, :1] + 2 * actions[:, :, 0, 1:]) - limit[:, None, None]

    inner = CEMPlanner(1, 200, num_elites=20, num_iterations=15)
    found = LagrangianPlanner(inner, constraint, num_rounds=8).plan(cost, batch=3, action_dim=2)
    shift = (torch.tensor([3.0, 3.0, 3.0]) - limit).clamp(min=0) / 5
    expected = 1 - shift[:, None] * torch.tensor([1.0, 2.0])
    torch.testing.assert_close(found.actions[:, 0], expected.float(), atol=0.02, rtol=0)
    assert (constraint(found.actions[:, None]) <= 1e-3).all()
    assert torch.equal(found.cost, cost(found.actions[:, None])[:, 0])
    assert found.outcome == (Outcome.converged,) * 3
    unconstrained = inner.plan(cost, batch=3, action_dim=2)
    assert (constraint(unconstrained.actions[:, None])[:2] > 1).all(), "the limit did not bind"


def test_lagrangian_with_several_constraints_and_nan():
    def constraint(actions):
        first = actions[:, :, 0, 0]
        return torch.stack((first - 0.2, torch.where(first < -0.5, torch.nan, -first - 0.4)), dim=-1)

    found = LagrangianPlanner(CEMPlanner(1, 200, num_iterations=12), constraint).plan(
        quadratic, batch=1, action_dim=1
    )
    torch.testing.assert_close(found.actions.item(), 0.2, atol=5e-3, rtol=0)


def test_lagrangian_says_when_nothing_holds():
    def impossible(actions):
        return 1.0 + actions.square().sum((2, 3)).unsqueeze(-1)

    found = LagrangianPlanner(CEMPlanner(2, 200, num_iterations=12), impossible).plan(
        quadratic, batch=1, action_dim=1
    )
    assert found.outcome == (Outcome.iteration_limit,)
    torch.testing.assert_close(found.actions, found.actions.new_zeros(1, 2, 1), atol=0.02, rtol=0)


def test_lagrangian_rows_are_independent():
    limit = torch.tensor([0.1, 0.3])

    def constraint(rows):
        return lambda actions: actions[:, :, 0, :1] - limit[rows, None, None]

    both, one = (
        LagrangianPlanner(
            CEMPlanner(1, 50, num_elites=5, num_iterations=5), constraint(rows), num_rounds=3
        ).plan(quadratic, batch=len(rows), action_dim=1)
        for rows in ([0, 1], [1])
    )
    assert torch.equal(both.actions[1:], one.actions)


def test_best_so_far():
    """Between two equal optima at -1 and 1, a hot MPPI averages; its best sample does not."""
    mean = MPPIPlanner(1, 200, num_iterations=1, scale="fixed", temperature=1e3)

    def either(actions):
        return (actions.abs() - 1.0).square().sum((2, 3))

    assert mean.plan(either, batch=1, action_dim=1).cost.item() > 0.5
    assert BestSoFar(mean).plan(either, batch=1, action_dim=1).cost.item() < 1e-3


def test_refine_is_better_than_its_parts():
    """CEM finds the basin, one descent from zero stays in another, both together reach the bottom."""
    cem, gradient = CEMPlanner(2, num_iterations=4), GradientPlanner(2, 1, num_iterations=60)

    def rugged(actions):
        off = actions - 1.5
        return off.square().sum((2, 3)) + 3.0 * (1 - torch.cos(6 * off)).sum((2, 3))

    refined = Refine(cem, gradient).plan(rugged, batch=1, action_dim=1)
    coarse, stuck = (planner.plan(rugged, batch=1, action_dim=1) for planner in (cem, gradient))
    assert stuck.cost.item() > 1
    assert refined.cost.item() < 0.1 * coarse.cost.item()
    assert refined.trace.best_cost.shape == (1, 64)
    assert refined.trace.best_cost[0, 3] == coarse.trace.best_cost[0, 3]


def test_warm_start_scores_the_proposal():
    exact = torch.full((2, 3, 1), 0.5, dtype=torch.float32)
    planner = WarmStart(RandomShootingPlanner(3, 5), lambda init: exact)
    found = planner.plan(quadratic, batch=2, action_dim=1)
    assert torch.equal(found.actions, exact)
    assert found.trace.num_evaluations == 7
    clipped = planner.plan(quadratic, batch=2, action_dim=1, bounds=(-0.1, 0.1))
    torch.testing.assert_close(clipped.actions, torch.full_like(exact, 0.1))
