import numpy as np
import pytest
import torch

from leworld.costs import ActionCost, ConstrainedCost, EnsembleCost, GoalCost, WeightedSum
from leworld.planners import CEMPlanner, GradientPlanner
from tests.costs.fakes import LinearLatent, Patches


def _random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("along", ["end", "path"])
@pytest.mark.parametrize("kind", ["squared", "cosine", "smooth_l1"])
def test_distances_against_numpy(kind, along):
    context, goal, actions = _random(2, 1, 2), _random(2, 2, seed=1), _random(2, 3, 4, 2, seed=2)
    cost = GoalCost(LinearLatent(decay=0.5), goal, context=context, distance=kind, along=along)(actions)
    for row in range(2):
        for sample in range(3):
            state, target, values = context[row, 0].numpy(), goal[row].numpy(), []
            for action in actions[row, sample].numpy():
                state = 0.5 * state + action
                off = np.abs(state - target)
                values.append(
                    {
                        "squared": (off**2).sum(),
                        "cosine": 1 - state @ target / np.linalg.norm(state) / np.linalg.norm(target),
                        "smooth_l1": np.where(off < 1, 0.5 * off**2, off - 0.5).sum(),
                    }[kind]
                )
            expected = values[-1] if along == "end" else np.mean(values)
            np.testing.assert_allclose(cost[row, sample].item(), expected, rtol=1e-4, atol=1e-6)


def test_cosine_of_tokens_is_averaged():
    context, goal, actions = _random(2, 1, 3, 2), _random(2, 3, 2), _random(2, 5, 4, 2)
    cost = GoalCost(Patches(), goal, context=context, distance="cosine")(actions)
    last = context[:, None, 0] + actions.sum(2)[:, :, None]
    each = [
        torch.cosine_similarity(last[:, :, token], goal[:, None, token].expand(-1, 5, -1), dim=-1)
        for token in range(3)
    ]
    torch.testing.assert_close(cost, 1 - torch.stack(each).mean(0))


def test_readout_measures_in_its_own_space():
    """A goal in meters: the latent is (x, y), the readout 10 x."""
    cost = GoalCost(
        LinearLatent(),
        torch.tensor([[7.0]]),
        context=torch.zeros(1, 1, 2),
        readout=lambda embeddings: 10 * embeddings[..., :1],
    )
    assert cost(torch.tensor([[[[0.5, 9.0]]]])).item() == 4.0
    plan = CEMPlanner(2).plan(cost, batch=1, action_dim=2)
    assert abs(plan.actions[0, :, 0].sum().item() - 0.7) < 0.01


def test_path_cost_hurries():
    """Scored along the path, the plan jumps to the goal at once; scored at the end, any way is as good."""
    goal, context = torch.tensor([[0.5, 0.5]]), torch.zeros(1, 1, 2)
    cost = GoalCost(LinearLatent(), goal, context=context, along="path")
    plan = GradientPlanner(4).plan(cost, batch=1, action_dim=2)
    torch.testing.assert_close(plan.actions[0, 0], goal[0], atol=0.01, rtol=0)


def test_action_cost():
    actions = _random(3, 4, 5, 2)
    previous = _random(3, 2, seed=1)
    padded = torch.cat((previous[:, None, None].expand(-1, 4, -1, -1), actions), dim=2).numpy()
    change = (np.diff(padded, axis=2) ** 2).sum((2, 3))
    expected = 0.3 * (actions.numpy() ** 2).sum((2, 3)) + 0.7 * change
    cost = ActionCost(0.3, 0.7, previous=previous)(actions)
    np.testing.assert_allclose(cost.numpy(), expected, rtol=1e-5)
    assert torch.equal(ActionCost()(actions[:, :, :1]), actions[:, :, 0].square().sum(2))


def test_weighted_sum_and_its_home():
    goal = GoalCost(LinearLatent(), torch.ones(1, 2), context=torch.zeros(1, 1, 2))
    both = WeightedSum({"effort": ActionCost(), "goal": goal}, {"goal": 1.0, "effort": -0.5})
    actions = _random(1, 4, 3, 2)
    torch.testing.assert_close(both(actions), goal(actions) - 0.5 * ActionCost()(actions))
    assert (both.device, both.dtype) == (torch.device("cpu"), goal.dtype)
    assert WeightedSum({"effort": ActionCost()}, {"effort": 1.0}).dtype is None


def test_ensemble():
    members = [
        GoalCost(LinearLatent(decay), torch.ones(1, 2), context=torch.ones(1, 1, 2))
        for decay in (0.2, 1.0, 1.7)
    ]
    actions = _random(1, 6, 2, 2)
    each = torch.stack([member(actions) for member in members])
    torch.testing.assert_close(EnsembleCost(members)(actions), each.mean(0))
    assert torch.equal(EnsembleCost(members, reduce="worst")(actions), each.max(0).values)
    members.append(lambda actions: torch.full(actions.shape[:2], torch.nan))
    assert EnsembleCost(members, reduce="worst")(actions).isnan().all()


def test_constrained_cost_is_never_violated():
    def constraint(actions):
        return (actions.abs() - 0.2).amax((2, 3)).unsqueeze(-1)

    cost = ConstrainedCost(lambda actions: (actions - 1.0).square().sum((2, 3)), constraint)
    plan = CEMPlanner(1).plan(cost, batch=2, action_dim=1)
    torch.testing.assert_close(plan.actions, torch.full_like(plan.actions, 0.2), atol=5e-3, rtol=0)
    assert (constraint(plan.actions[:, None]) <= 0).all()
    assert (plan.trace.num_non_finite > 0).all()
    lost = ConstrainedCost(lambda a: a.sum((2, 3)), lambda a: a.sum((2, 3))[..., None] * torch.nan)
    assert lost(torch.zeros(1, 2, 1, 1)).isinf().all()
