"""The return of a plan, against sums by hand; probes and heads of any model; the model's own heads."""

import pytest
import torch
from torch import Tensor

from leworld.costs import ReturnCost
from leworld.heads import GaussianPolicy, QEnsemble, ScalarHead
from leworld.planners import CEMPlanner
from leworld.probes import RidgeProbe
from tests.costs.fakes import LinearLatent
from tests.heads.test_heads import awake
from tests.models.rewarded import batch
from tests.models.tdmpc2 import tdmpc2

CONTEXT = torch.randn(2, 1, 2, generator=torch.Generator().manual_seed(1))
ACTIONS = torch.randn(2, 3, 4, 2, generator=torch.Generator().manual_seed(2))
SMALL = {"hidden_dims": (6,)}


def paths() -> Tensor:
    """Latents before and after each step, (batch, sample, 5, dim)."""
    start = CONTEXT[:, None].expand(-1, 3, -1, -1)
    return torch.cat((start, start + ACTIONS.cumsum(2)), dim=2)


@pytest.mark.parametrize("ends", [False, True])
@torch.no_grad()
def test_the_sum_by_hand(ends: bool) -> None:
    """One candidate and step at a time, with heads of actions."""
    reward, value = awake(ScalarHead(2, 2, **SMALL)), awake(QEnsemble(2, 2, dropout=0.5, **SMALL))
    policy = awake(GaussianPolicy(2, 2, **SMALL))

    def over(latents: Tensor) -> Tensor:
        return (latents[..., 0] - level).sigmoid()

    highest = paths()[:, :, 1:, 0].amax(2).flatten().sort().values
    level = ((highest[2] + highest[3]) / 2).item()  # so that some plans end and some do not
    heads = {"value": value, "policy": policy, "termination": over if ends else None}
    cost = ReturnCost(LinearLatent(), reward, context=CONTEXT, discount=0.8, **heads)
    found = cost(ACTIONS)
    assert value.training
    value.eval()
    seen = set()
    for row in range(2):
        for sample in range(3):
            path, total, going = paths()[row, sample], 0.0, 1.0
            for step in range(4):
                total += 0.8**step * going * reward(path[step], ACTIONS[row, sample, step]).item()
                if ends and over(path[step + 1]) > 0.5:
                    going = 0.0
            total += 0.8**4 * going * value(path[4], policy(path[4])).item()
            seen.add(going)
            assert found[row, sample].item() == pytest.approx(-total, rel=1e-4, abs=1e-5)
    assert seen == ({0.0, 1.0} if ends else {1.0})


@torch.no_grad()
def test_a_reward_of_latents_is_that_of_arriving() -> None:
    reward = awake(ScalarHead(2, **SMALL))
    found = ReturnCost(LinearLatent(), reward, context=CONTEXT, discount=1.0)(ACTIONS)
    torch.testing.assert_close(found, -reward(paths()[:, :, 1:]).sum(2))


def test_a_fitted_probe_is_a_reward() -> None:
    """A frozen latent, a few labelled moments, and a plan that earns."""
    latents = torch.randn(200, 2, generator=torch.Generator().manual_seed(3))
    earned = -(latents - torch.tensor([2.0, -1.0])).abs().sum(1, keepdim=True)
    probe = RidgeProbe(2, 1, penalties=(1e-6,)).fit(latents, latents[:, :1] - 2 * latents[:, 1:])
    assert earned.shape == (200, 1)
    cost = ReturnCost(LinearLatent(), probe, context=torch.zeros(1, 1, 2))
    found = CEMPlanner(2).plan(cost, batch=1, action_dim=2, bounds=(-1.0, 1.0))
    best = torch.tensor([[1.0, -1.0]]).expand(2, -1)
    torch.testing.assert_close(found.actions[0].float(), best, atol=1e-3, rtol=0)
    assert found.cost.item() == pytest.approx(-(3 + 0.99 * 6), rel=1e-3)


@torch.no_grad()
def test_the_models_own_heads_and_draws() -> None:
    model = tdmpc2(dropout=0.5, episodic=False)
    state = model.eval().observe(None, batch(model).observations.at((slice(None), 0)))
    model.train()
    actions = batch(model).actions[:, None, :3]
    cost = ReturnCost(model, state=state)
    assert torch.equal(cost(actions), cost(actions))
    heads = {name: getattr(model, name) for name in ("value", "policy", "discount")}
    assert torch.equal(ReturnCost(model, model.reward, state=state, **heads)(actions), cost(actions))
    assert not torch.equal(ReturnCost(model, model.reward, state=state)(actions), cost(actions))
    drawn = [
        ReturnCost(model, state=state, generator=torch.Generator().manual_seed(seed))(actions)
        for seed in (0, 0, 1)
    ]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert model.training


def test_gradients_reach_the_actions_and_nothing_else() -> None:
    reward, actions = awake(ScalarHead(2, 2, **SMALL)), ACTIONS.clone().requires_grad_()
    cost = ReturnCost(LinearLatent(), reward, context=CONTEXT)
    (gradient,) = torch.autograd.grad(cost(actions).sum(), actions)
    assert (gradient.abs().amax((1, 3)) > 0).all()
    assert all(parameter.grad is None for parameter in reward.parameters())


@pytest.mark.parametrize("part", ["reward", "value", "termination"])
@torch.no_grad()
def test_what_is_missing_makes_the_cost_missing(part: str) -> None:
    """Of the candidate that it is missing for, and of no other; an end that is NaN is no end."""

    def head(latents: Tensor) -> Tensor:
        known = latents[..., 0] * 0 + 0.25
        if known.shape[2] > 1 or part == "value":
            known[1, 2, -1] = torch.nan
        return known

    def plain(latents: Tensor) -> Tensor:
        return latents[..., 0] * 0 + 0.25

    heads = {name: head if name == part else plain for name in ("reward", "value", "termination")}
    found = ReturnCost(LinearLatent(), context=CONTEXT, **heads)(ACTIONS)
    assert found.isnan().tolist() == [[False] * 3, [False, False, True]]
