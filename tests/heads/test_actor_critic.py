"""Returns by hand, values against dynamic programming, and a policy that finds what is best."""

import math
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from leworld.heads import (
    ActorCritic,
    CategoricalPolicy,
    GaussianPolicy,
    ScalarHead,
    StateValue,
    TwoHot,
    lambda_returns,
)
from tests.heads.test_heads import Z, awake

SMALL = {"hidden_dims": (16,)}


def by_hand(
    rewards: list[float], values: list[float], going: list[float], gamma: float, lam: float
) -> list[float]:
    """Every number of steps weighed by itself: (1 - lambda) lambda^(n - 1), and the rest on the last."""
    steps, found = len(rewards), []
    for start in range(steps):
        total, weight = 0.0, 1.0
        earned, factor = 0.0, 1.0
        for t in range(start, steps):
            earned += factor * rewards[t]
            factor *= gamma * going[t]
            share = weight if t == steps - 1 else weight * (1 - lam)
            total += share * (earned + factor * values[t])
            weight -= share
        found.append(total)
    return found


@pytest.mark.parametrize("trace", [0.0, 0.3, 0.95, 1.0])
def test_returns_are_the_mixture_over_numbers_of_steps(trace: float) -> None:
    rng = np.random.default_rng(0)
    rewards, values, going = rng.normal(size=6), rng.normal(size=6), rng.uniform(size=6)
    found = lambda_returns(
        *(torch.from_numpy(one) for one in (rewards, values)),
        going=torch.from_numpy(going),
        discount=0.9,
        trace=trace,
    )
    expected = by_hand(*(one.tolist() for one in (rewards, values, going)), 0.9, trace)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))


def test_nothing_counts_behind_an_end() -> None:
    rewards, values = torch.ones(4), torch.full((4,), 100.0)
    going = torch.tensor([1.0, 0.0, 1.0, 1.0])
    assert lambda_returns(rewards, values, going=going, discount=0.5, trace=1.0)[:2].tolist() == [1.5, 1.0]
    assert lambda_returns(rewards[:, None], values[:, None], discount=0.5).tolist() == [[51.0]] * 4
    assert lambda_returns(rewards[:0], values[:0]).shape == (0,)


def test_a_value_keeps_near_its_slow_copy() -> None:
    value = awake(StateValue(8, target_rate=0.25, **SMALL))
    targets = torch.ones(6)
    slow = value.target(Z)
    logits = value.head.logits(Z)
    two_hot = value.head.two_hot
    expected = two_hot.loss(logits, targets) + two_hot.loss(logits, slow)
    torch.testing.assert_close(value.loss(Z, targets), expected)
    value.loss(Z, targets).mean().backward()
    assert all(p.grad is None for p in value.target.parameters())
    old = {name: weight.clone() for name, weight in value.target.state_dict().items()}
    value.update_target()
    for name, weight in value.target.state_dict().items():
        torch.testing.assert_close(weight, old[name].lerp(value.head.state_dict()[name], 0.25))
    assert not value.train().target.training


@pytest.mark.parametrize("kind", ["continuous", "choices"])
def test_the_logarithm_of_a_probability_is_that_of_the_draw(kind: str) -> None:
    policy = awake((GaussianPolicy if kind == "continuous" else CategoricalPolicy)(8, 3, **SMALL))
    drawn = policy.sample(Z, generator=torch.Generator().manual_seed(0))
    found = policy.log_prob(Z, drawn.actions)
    saturated = drawn.actions.abs().amax(-1) > 1 - 1e-4 if kind == "continuous" else torch.zeros(6).bool()
    assert saturated.sum() < 6
    torch.testing.assert_close(found[~saturated], drawn.log_prob[~saturated], atol=2e-2, rtol=1e-3)


def test_gradients_of_log_probabilities_average_to_zero() -> None:
    """The score of a policy has mean 0 under it; a gradient through the actions would not."""
    policy, count = awake(GaussianPolicy(8, 1, log_std=(-1.0, 0.0), **SMALL)), 4000
    drawn = policy.sample(Z[:1].expand(count, -1), generator=torch.Generator().manual_seed(0))
    bias = policy.network.layers[-1].bias
    (gradient,) = torch.autograd.grad(policy.log_prob(Z[:1].expand(count, -1), drawn.actions).mean(), bias)
    assert gradient.abs().max() < 6 / math.sqrt(count) * 3


STATES, GAMMA = 5, 0.8


def chain(latents: Tensor, actions: Tensor) -> Tensor:
    """One step to the right on a chain of one-hot states, the last of which leads to itself."""
    return torch.cat(
        (torch.zeros_like(latents[:, :1]), latents[:, :-2], latents[:, -2:].sum(-1, True)), dim=-1
    )


def cost_of_a_step(reached: Tensor) -> Tensor:
    return -torch.ones_like(reached[..., 0])


def at_the_end(reached: Tensor) -> Tensor:
    return reached[..., -1]


def dynamic_programming(*, ends: bool) -> Tensor:
    """Values by iteration; the last state's own is not asked where it ends the episode."""
    values = np.zeros(STATES)
    over = np.array([ends and s + 1 >= STATES - 1 for s in range(STATES)])
    for _ in range(200):
        values = -1 + GAMMA * np.where(over, 0.0, np.append(values[1:], values[-1]))
    return torch.from_numpy(values[:-1])


@cache
def learned(*, ends: bool, horizon: int = 3) -> Tensor:
    torch.manual_seed(0)
    bins = TwoHot("symexp", 41, low=-2.5, high=2.5)
    value = StateValue(STATES, two_hot=bins, target_rate=0.5, hidden_dims=(32,))
    learner = ActorCritic(GaussianPolicy(STATES, 1, **SMALL), value, horizon=horizon, discount=GAMMA)
    optimizer = torch.optim.Adam(value.head.parameters(), lr=2e-2)
    generator = torch.Generator().manual_seed(1)
    starts = torch.eye(STATES)
    for _ in range(120):
        losses = learner.losses(
            starts,
            chain,
            reward=cost_of_a_step,
            termination=at_the_end if ends else None,
            generator=generator,
        )
        optimizer.zero_grad()
        losses.value.backward()
        optimizer.step()
    with torch.no_grad():
        return value(starts)[:-1].double()


@pytest.mark.parametrize("ends", [True, False], ids=["terminated", "truncated"])
def test_values_of_a_chain_are_those_of_dynamic_programming(ends: bool) -> None:
    torch.testing.assert_close(learned(ends=ends), dynamic_programming(ends=ends), atol=0.3, rtol=0)


def test_truncation_taken_for_an_end_is_seen() -> None:
    assert (learned(ends=True) - dynamic_programming(ends=False)).abs().max() > 1.0


@pytest.mark.parametrize("kind", ["continuous", "choices"])
def test_a_policy_learns_what_is_best(kind: str) -> None:
    """The reward of one step is highest at an action of 0.5, or at the second choice."""
    torch.manual_seed(0)
    if kind == "continuous":
        policy, width = GaussianPolicy(8, 1, log_std=(-2.3, 0.0), **SMALL), 1
    else:
        policy, width = CategoricalPolicy(8, 3, **SMALL), 3

    def step(latents: Tensor, actions: Tensor) -> Tensor:
        return torch.cat((actions, latents[:, width:]), dim=-1)

    def reward(reached: Tensor) -> Tensor:
        return -4 * (reached[..., 0] - 0.5).square() if width == 1 else reached[..., 1]

    learner = ActorCritic(policy, StateValue(8, **SMALL), horizon=2, discount=0.5, entropy_weight=0.0)
    optimizer = torch.optim.Adam(learner.parameters(), lr=1e-2)
    generator, starts = torch.Generator().manual_seed(1), torch.randn(32, 8)
    for _ in range(150):
        losses = learner.losses(starts, step, reward=reward, generator=generator)
        optimizer.zero_grad()
        (losses.policy + losses.value).backward()
        optimizer.step()
    with torch.no_grad():
        acted = policy(starts)
    if kind == "continuous":
        assert (acted - 0.5).abs().mean() < 0.15
    else:
        assert acted[:, 1].mean() > 0.9


def test_a_reward_that_reads_actions_is_given_them() -> None:
    """The rewards of TD-MPC2 are of leaving a latent by an action, those of an RSSM of arriving."""
    learner = ActorCritic(awake(GaussianPolicy(8, 2, **SMALL)), StateValue(8, **SMALL), horizon=2).eval()
    leaving = awake(ScalarHead(8, 2, **SMALL))
    seen: list[Tensor] = []

    def step(latents: Tensor, actions: Tensor) -> Tensor:
        seen.append(torch.cat((latents, actions), dim=-1))
        return latents + 1

    losses = learner.losses(Z, step, reward=leaving, generator=torch.Generator().manual_seed(0))
    first, second = (leaving(one[:, :8], one[:, 8:]) for one in seen)
    expected = torch.stack((first + 0.997 * 0.95 * second, second))
    torch.testing.assert_close(losses.mean_return, expected.mean(), atol=1e-4, rtol=1e-4)


def test_the_copy_and_the_scale_move_in_training_only() -> None:
    learner = awake(ActorCritic(GaussianPolicy(8, 2, **SMALL), StateValue(8, **SMALL), horizon=2))
    large = {"step": lambda z, a: z, "reward": lambda z: 100 * z[..., 0]}
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    learner.eval().losses(Z, **large)
    with torch.no_grad():
        learner.train().losses(Z, **large)
    assert all(torch.equal(value, before[name]) for name, value in learner.state_dict().items())
    learner.losses(Z, **large)
    moved = {name for name, value in learner.state_dict().items() if not torch.equal(value, before[name])}
    assert "scale.scale" in moved
    assert all(name.startswith(("scale", "value.target")) for name in moved)
