import numpy as np
import pytest
import torch

from leworld.costs import GoalCost, RolloutModel, evaluation_mode
from leworld.planners import CEMPlanner
from tests.costs.fakes import LinearLatent, Patches


def _random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_against_numpy():
    model = LinearLatent(decay=0.5)
    context, past, goal, actions = _random(3, 2, 2), _random(3, 1, 2), _random(3, 2), _random(3, 7, 4, 2)
    cost = GoalCost(model, goal, context=context, past_actions=past)(actions).detach()
    for row in range(3):
        for sample in range(7):
            state = context[row, -1].numpy().astype(np.float64)
            for action in actions[row, sample].numpy().astype(np.float64):
                state = 0.5 * state + action
            expected = ((state - goal[row].numpy()) ** 2).sum()
            np.testing.assert_allclose(cost[row, sample].item(), expected, rtol=1e-5)
    assert torch.equal(model.seen[0][0], context)
    assert torch.equal(model.seen[0][1], past)


def test_patch_latents():
    context, goal, actions = _random(2, 1, 3, 2), _random(2, 3, 2), _random(2, 5, 4, 2)
    cost = GoalCost(Patches(), goal, context=context)(actions)
    last = context[:, None, 0] + actions.sum(2)[:, :, None]
    torch.testing.assert_close(cost, (last - goal[:, None]).square().sum((2, 3)))


def test_mode_parameters_and_gradients_are_left_alone():
    model = LinearLatent(dropout=0.5).train()
    model.dropout.eval()
    model.dropout.train()
    cost = GoalCost(model, _random(2, 2), context=_random(2, 1, 2))
    actions = _random(2, 3, 4, 2)
    assert torch.equal(cost(actions), cost(actions)), "dropout was active"
    assert model.training
    assert model.dropout.training
    CEMPlanner(4, 20, num_elites=2).plan(cost, batch=2, action_dim=2)
    assert model.decay.grad is None
    assert model.decay.requires_grad


def test_the_mode_comes_back_after_an_error():
    model = LinearLatent().train()
    try:
        with evaluation_mode(model):
            raise ValueError
    except ValueError:
        assert model.training
    with evaluation_mode(object()):
        pass


def test_gradients_reach_the_actions_only():
    model = LinearLatent(decay=0.9)
    context, goal = torch.zeros(1, 1, 2), torch.ones(1, 2)
    actions = torch.zeros(1, 1, 2, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(GoalCost(model, goal, context=context)(actions).sum(), actions)
    expected = torch.tensor([[0.9 * -2.0] * 2, [-2.0] * 2])
    torch.testing.assert_close(gradient[0, 0], expected)


def test_planning_reaches_the_goal():
    goal = torch.tensor([[1.0, -2.0], [0.0, 0.5]])
    cost = GoalCost(LinearLatent(), goal, context=torch.zeros(2, 1, 2))
    plan = CEMPlanner(3).plan(cost, batch=2, action_dim=2)
    torch.testing.assert_close(plan.actions.sum(1), goal, atol=0.02, rtol=0)


def test_half_precision_is_summed_in_float32():
    cost = GoalCost(
        Patches(), torch.zeros(1, 300, 2).bfloat16(), context=torch.full((1, 1, 300, 2), 0.1).bfloat16()
    )
    value = cost(torch.zeros(1, 1, 1, 2).bfloat16())
    assert value.dtype == torch.float32
    assert cost.dtype == torch.bfloat16
    torch.testing.assert_close(value.item(), 600 * float(torch.tensor(0.1).bfloat16()) ** 2)


def test_protocol():
    assert isinstance(LinearLatent(), RolloutModel)
    assert not isinstance(torch.nn.Linear(1, 1), RolloutModel)


class Remembering:
    """z' depends on the last two states and blocks."""

    history_size = 2

    def rollout(self, context, past_actions, actions):
        samples = actions.shape[1]
        states = [state[:, None].expand(-1, samples, -1) for state in context.unbind(1)]
        blocks = [block[:, None].expand(-1, samples, -1) for block in past_actions.unbind(1)]
        known = len(states)
        for action in actions.unbind(2):
            blocks.append(action)
            before = states[-2] if len(states) > 1 else torch.zeros_like(states[-1])
            pushed = blocks[-2] if len(blocks) > 1 else torch.zeros_like(action)
            states.append((0.9 * states[-1] - 0.3 * before + action + 0.5 * pushed).tanh())
        return torch.stack(states[known:], dim=2)


@pytest.mark.parametrize("known", [1, 2, 3])
def test_transition_on_the_rollout_is_the_rollout(known):
    source = torch.Generator().manual_seed(known)
    context, past = torch.randn(2, known, 3, generator=source), torch.randn(2, known - 1, 3, generator=source)
    actions = torch.randn(2, 4, 5, 3, generator=source)
    cost = GoalCost(Remembering(), torch.zeros(2, 3), context=context, past_actions=past)
    states = cost.rollout(actions)
    torch.testing.assert_close(cost.transition(states[:, :, :-1], actions), states)
    moved = states[:, :, :-1].clone()
    moved[:, :, 1] += 1.0
    following = cost.transition(moved, actions)
    changed = (following - states).abs().amax((0, 1, 3)) > 1e-4
    assert changed.tolist() == [False, False, True, True, False]  # two steps look back at state 2
    torch.testing.assert_close(cost.goal_distance(states)[:, :, -1], cost(actions))


def test_first_states_are_a_straight_line():
    cost = GoalCost(Remembering(), torch.tensor([[4.0, 0.0, 8.0]]), context=torch.zeros(1, 1, 3))
    states = cost.guess_states(torch.zeros(1, 2, 4, 3))
    assert states.shape == (1, 2, 3, 3)
    assert states[0, 1, :, 2].tolist() == [2.0, 4.0, 6.0]
