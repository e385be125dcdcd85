"""Mahalanobis distances against numpy, and what the penalty is for."""

import numpy as np
import torch

from leworld.costs import GoalCost, SurpriseCost, WeightedSum
from leworld.planners import CEMPlanner
from tests.costs.fakes import LinearLatent, Patches


def test_distance_is_mahalanobis():
    source = torch.Generator().manual_seed(0)
    mix = torch.tensor([[2.0, 0.5], [0.0, 0.3]])
    reference = torch.randn(500, 2, generator=source) @ mix + torch.tensor([1.0, -2.0])
    context, actions = torch.randn(2, 1, 2, generator=source), torch.randn(2, 4, 3, 2, generator=source)
    cost = SurpriseCost(LinearLatent(), context=context, reference=reference, margin=0.7)
    samples = reference.double().numpy()
    covariance = np.cov(samples.T, ddof=0)
    covariance = 0.9 * covariance + 0.1 * np.trace(covariance) / 2 * np.eye(2)
    states = (context[:, None] + actions.cumsum(2)).double().numpy() - samples.mean(0)
    squared = np.einsum("bshi,ij,bshj->bsh", states, np.linalg.inv(covariance), states) / 2
    expected = np.maximum(squared - 0.7, 0).mean(-1)
    np.testing.assert_allclose(cost(actions).detach().numpy(), expected, rtol=1e-4, atol=1e-5)


def test_training_data_has_distance_one():
    reference = torch.randn(4000, 8, generator=torch.Generator().manual_seed(1)) * 3 + 1

    class Replays:
        def rollout(self, context, past_actions, actions):
            return reference[None, :, None]

    cost = SurpriseCost(Replays(), context=torch.zeros(1, 1, 8), reference=reference, margin=0.0)
    assert abs(cost(torch.zeros(1, 4000, 1, 1)).mean().item() - 1) < 0.02


def test_tokens_are_averaged():
    cost = SurpriseCost(Patches(), context=torch.zeros(1, 1, 3, 2), margin=0.0)
    actions = torch.tensor([[[[3.0, 1.0]]]])
    torch.testing.assert_close(cost(actions), torch.tensor([[5.0]]))


def test_it_keeps_a_plan_from_a_false_shortcut():
    """The model believes that a step beyond 2 brings the goal; the embeddings there were never seen."""

    class Exploitable:
        def rollout(self, context, past_actions, actions):
            states = context[:, None, -1:] + actions.cumsum(2)
            broken = states[..., :1].abs() > 2
            return torch.where(broken, torch.tensor([9.0, 9.0]), states)

    context, goal = torch.zeros(1, 1, 2), torch.full((1, 2), 8.0)
    reach = GoalCost(Exploitable(), goal, context=context)
    wary = WeightedSum(
        {"reach": reach, "surprise": SurpriseCost(Exploitable(), context=context, margin=2.0)},
        {"reach": 1.0, "surprise": 100.0},
    )
    planner = CEMPlanner(2, 200, num_elites=20, num_iterations=15)
    bold = planner.plan(reach, batch=1, action_dim=2)
    assert bold.actions.cumsum(1)[..., 0].abs().max() > 2
    careful = planner.plan(wary, batch=1, action_dim=2)
    assert careful.actions.cumsum(1)[..., 0].abs().max() <= 2


def test_gradient_and_modes():
    model = LinearLatent(dropout=0.9).train()
    cost = SurpriseCost(model, context=torch.zeros(1, 1, 2))
    actions = torch.full((1, 1, 2, 2), 3.0, requires_grad=True)
    first = cost(actions)
    assert torch.equal(first, cost(actions))
    assert model.dropout.training
    first.sum().backward()
    assert actions.grad is not None
    assert (actions.grad > 0).all()
