"""GRASP: actions and virtual states on latent dynamics with known answers."""

import math

import pytest
import torch
from torch import Tensor

from leworld.costs import GoalCost
from leworld.planners import BestSoFar, GRASPPlanner, LiftedCost, Outcome, Refine, WarmStart
from tests.fake_clock import fake_clock


class Cart:
    """Position and velocity under an acceleration; every operation works row by row, entry by entry."""

    history_size = 1

    def rollout(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor:
        position, velocity = context[:, None, -1].expand(-1, actions.shape[1], -1).unbind(-1)
        states = []
        for action in actions.unbind(2):
            velocity = velocity + 0.2 * action[..., 0]
            position = position + 0.2 * velocity
            states.append(torch.stack((position, velocity), -1))
        return torch.stack(states, dim=2)


def cart_cost(rows: list[int]) -> GoalCost:
    goal = torch.tensor([[1.0 - 0.5 * row, 0.0] for row in rows])
    return GoalCost(Cart(), goal, context=torch.zeros(len(rows), 1, 2))


def small(horizon: int = 8, **changes) -> GRASPPlanner:
    settings = {"num_iterations": 12, "sync_every": 6, "sync_steps": 2} | changes
    return GRASPPlanner(horizon, 3, **settings)


def seeded(rows: list[int]) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(row) for row in rows]


def test_reaches_the_goal():
    cost = cart_cost([0, 1])
    plan = GRASPPlanner(20, 2).plan(cost, batch=2, action_dim=1, bounds=(-1.0, 1.0))
    idle = cost(torch.zeros(2, 1, 20, 1))[:, 0]
    assert (plan.cost <= 0.05 * idle).all()
    assert plan.actions.abs().max() <= 1
    assert torch.equal(plan.cost, cost(plan.actions[:, None])[:, 0])


def test_virtual_states_alone_find_the_way():
    """All steps but the last few never see the true cost, and no gradient passes through two steps."""
    cost = cart_cost([0])
    planner = GRASPPlanner(10, 1, num_iterations=150, sync_every=150, sync_steps=1, state_noise=0.0)
    state_of: list[float] = []

    class Watched(LiftedCost):
        rollout, transition = cost.rollout, cost.transition
        goal_distance, guess_states = cost.goal_distance, cost.guess_states
        device, dtype = cost.device, cost.dtype

        def __call__(self, actions: Tensor) -> Tensor:
            costs = cost(actions)
            state_of.extend(costs.detach().flatten().tolist())
            return costs

    planner.plan(Watched(), batch=1, action_dim=1)
    assert len(state_of) == 3  # the start, the one step at the end, the answer
    assert state_of[1] < 0.5 * state_of[0]


def test_loss_and_its_gradient_by_finite_differences():
    """The gradient that moves the actions is that of the documented loss with virtual states held fixed."""
    from leworld.planners import Evaluator, Problem

    source = torch.Generator().manual_seed(0)
    context, goal = torch.zeros(1, 1, 2, dtype=torch.float64), torch.ones(1, 2, dtype=torch.float64)
    cost = GoalCost(Cart(), goal, context=context)
    actions = torch.randn(1, 2, 4, 1, generator=source, dtype=torch.float64)
    states = torch.randn(1, 2, 3, 2, generator=source, dtype=torch.float64)
    problem = Problem(actions[:, 0], None, None, torch.tensor([0]), torch.float64)
    predicted, gradient = Evaluator(cost, problem).relax(actions, states, 0.3)

    def loss(candidates: Tensor) -> Tensor:
        position = torch.cat((torch.zeros(1, 2, 1, 2, dtype=torch.float64), states), dim=2)
        velocity = position[..., 1] + 0.2 * candidates[..., 0]
        following = torch.stack((position[..., 0] + 0.2 * velocity, velocity), -1)
        gap = (following[:, :, :-1] - states).square().sum()
        to_goal = (following - 1).square().sum(-1)
        return gap + to_goal[:, :, -1].sum() + 0.3 * to_goal.sum()

    for sample in range(2):
        for step in range(4):
            shift = torch.zeros_like(actions)
            shift[0, sample, step] = 1e-6
            slope = (loss(actions + shift) - loss(actions - shift)) / 2e-6
            assert math.isclose(gradient[0, sample, step, 0], slope, rel_tol=1e-6, abs_tol=1e-8)
    assert torch.equal(predicted, cost.transition(states, actions))


def test_rows_are_independent_and_chunks_do_not_matter():
    whole = small().plan(cart_cost([0, 1, 2]), batch=3, action_dim=1, generator=seeded([0, 1, 2]))
    part = small().plan(cart_cost([2, 0]), batch=2, action_dim=1, generator=seeded([2, 0]))
    assert torch.equal(whole.actions[[2, 0]], part.actions)
    chunked = small().plan(
        cart_cost([0, 1, 2]), batch=3, action_dim=1, generator=seeded([0, 1, 2]), max_candidates=4
    )
    assert torch.equal(whole.actions, chunked.actions)
    assert (
        whole.trace.num_evaluations == chunked.trace.num_evaluations == 3 * (1 + 12 + 2) + 1
    )  # a rollout a cycle


def test_randomness_is_the_generators():
    before = torch.get_rng_state()
    first, again, other = (
        small().plan(cart_cost([0]), batch=1, action_dim=1, generator=seeded([seed])) for seed in (3, 3, 4)
    )
    assert torch.equal(first.actions, again.actions)
    assert not torch.equal(first.actions, other.actions)
    assert torch.equal(before, torch.get_rng_state())
    still, loud = (
        small(init_std=0.0, state_noise=noise).plan(cart_cost([0]), batch=1, action_dim=1)
        for noise in (0.0, 5.0)
    )
    assert not torch.equal(still.actions, loud.actions), "the noise on virtual states is ignored"


@pytest.mark.parametrize("horizon", [1, 2])
def test_short_horizons(horizon):
    plan = small(horizon).plan(cart_cost([0]), batch=1, action_dim=1, bounds=(-1.0, 1.0))
    assert plan.actions.shape == (1, horizon, 1)
    assert plan.actions.min() > 0.0  # the goal lies ahead


def test_nan_in_one_row_harms_no_other():
    class Broken(Cart):
        def rollout(self, context, past_actions, actions):
            states = super().rollout(context, past_actions, actions)
            return torch.where(context[:, :1, :1, None] > 20.0, torch.nan, states)  # no virtual state

    context = torch.tensor([[[0.0, 0.0]], [[50.0, 0.0]]])
    cost = GoalCost(Broken(), torch.zeros(2, 2) + 0.5, context=context)
    plan = small().plan(cost, batch=2, action_dim=1, generator=seeded([0, 1]))
    assert plan.outcome[1] is Outcome.non_finite_cost
    assert plan.actions.isfinite().all()
    alone = GoalCost(Cart(), torch.zeros(1, 2) + 0.5, context=context[:1])
    fine = small().plan(alone, batch=1, action_dim=1, generator=seeded([0]))
    assert torch.equal(plan.actions[0], fine.actions[0])


def test_a_model_receives_no_gradient_and_wrappers_work():
    weight = torch.nn.Parameter(torch.tensor(1.0))

    class Weighted(Cart):
        def rollout(self, context, past_actions, actions):
            return super().rollout(context, past_actions, weight * actions)

    cost = GoalCost(Weighted(), torch.ones(1, 2), context=torch.zeros(1, 1, 2))
    assert isinstance(cost, LiftedCost)
    planner = WarmStart(BestSoFar(Refine(small(), small())), lambda init: init + 0.1)
    plan = planner.plan(cost, batch=1, action_dim=1)
    assert weight.grad is None
    assert plan.cost <= cost(torch.full((1, 1, 8, 1), 0.1))[0]


def test_time_budget_still_gives_a_scored_plan():
    with fake_clock(step=1.0):  # the time is up at the first look at the clock
        plan = small(num_iterations=5000, sync_every=5000).plan(
            cart_cost([0]), batch=1, action_dim=1, time_budget=0.5
        )
    assert plan.outcome == (Outcome.time_limit,)
    assert plan.cost.isfinite().all()
