"""Heads against closed forms, integrals and counts."""

import math

import pytest
import torch
from torch.nn import functional as F

from leworld.heads import (
    CategoricalPolicy,
    GaussianPolicy,
    QEnsemble,
    RunningScale,
    ScalarHead,
    TerminationHead,
    TwoHot,
)
from tests.heads.test_two_hot import TDMPC2

Z, A = torch.randn(6, 8, generator=torch.Generator().manual_seed(1)), torch.rand(6, 2) * 2 - 1


def awake(module):
    """Move every parameter away from its initial value."""
    generator = torch.Generator().manual_seed(2)
    for parameter in module.parameters():
        parameter.data += 0.5 * torch.randn(parameter.shape, generator=generator).to(parameter)
    return module


def q_ensemble(**options) -> QEnsemble:
    return awake(QEnsemble(8, 2, hidden_dims=(12,), **{"dropout": 0.0, **options}))


@pytest.mark.parametrize("norm", ["layer", "rms"])
def test_a_scalar_head_begins_at_zero_and_learns(norm: str) -> None:
    activation = "mish" if norm == "layer" else "silu"
    head = ScalarHead(8, hidden_dims=(32,), norm=norm, activation=activation, two_hot=TwoHot("symexp"))
    assert not head(Z).any()
    targets = 3 * Z[:, 0]
    optimizer = torch.optim.Adam(head.parameters(), lr=1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        head.loss(Z, targets).mean().backward()
        optimizer.step()
    torch.testing.assert_close(head(Z), targets, atol=0.1, rtol=0)


@pytest.mark.parametrize("reads_actions", [False, True])
def test_a_head_is_fitted_on_frozen_latents(reads_actions: bool) -> None:
    """Which keep no gradient; equal seeds give equal heads, and torch's own generator is left alone."""
    latents, actions = Z.clone().requires_grad_(), A if reads_actions else None
    targets = 2 * Z[:, 0] + (A[:, 0] if reads_actions else 0)
    heads, before = [], torch.get_rng_state()
    for seed in (0, 0, 1):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            head = ScalarHead(8, 2 if reads_actions else None, hidden_dims=(32,), two_hot=TwoHot("symexp"))
        options = {"num_steps": 100, "batch_size": 16, "learning_rate": 1e-2, "seed": seed}
        head.fit(latents, targets, actions=actions, **options)
        assert not head.training
        heads.append(head(Z, actions).detach())
    assert latents.grad is None
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])
    torch.testing.assert_close(heads[0], targets, atol=0.3, rtol=0)


def test_a_head_of_actions_reads_them() -> None:
    head = awake(ScalarHead(8, 2, hidden_dims=(12,)))
    assert (head(Z, A) - head(Z, -A)).abs().min() > 1e-6


def test_termination_is_a_logistic_regression() -> None:
    head, over = awake(TerminationHead(8, hidden_dims=(12,))), (Z[:, 0] > 0).to(Z)
    expected = F.binary_cross_entropy(head(Z).double(), over.double(), reduction="none")
    torch.testing.assert_close(head.loss(Z, over).double(), expected, atol=1e-5, rtol=1e-5)


def test_members_are_asked_and_reduced() -> None:
    q = q_ensemble()
    each = torch.stack([q(Z, A, members=[i]) for i in range(5)])
    torch.testing.assert_close(q(Z, A), each.mean(0))
    torch.testing.assert_close(q(Z, A, reduce="min", members=(1, 3)), each[[1, 3]].amin(0))
    least = q(Z, A, reduce="min")
    torch.testing.assert_close(least, each.amin(0))
    assert (q(Z, A, reduce="min", members=(1, 3)) - least).max() > 0
    losses = [q.heads[i].loss(Z, each[0], actions=A) for i in range(5)]
    torch.testing.assert_close(q.loss(Z, each[0], actions=A), torch.stack(losses).mean(0))


def test_draws_are_pairs_of_all_members() -> None:
    q, generator = q_ensemble(), torch.Generator().manual_seed(0)
    drawn = [q.draw(generator) for _ in range(200)]
    assert all(len(set(pair)) == 2 for pair in drawn)
    assert {tuple(sorted(pair)) for pair in drawn} == {(i, j) for j in range(5) for i in range(j)}


def test_targets_follow_at_their_rate_and_never_learn() -> None:
    q = q_ensemble(target_rate=0.25, dropout=0.5)
    before = q(Z, A, target=True)
    assert torch.equal(before, q(Z, A, target=True))
    assert not before.requires_grad
    q.heads.load_state_dict({name: w + 1 for name, w in q.targets.state_dict().items()})
    old = {name: weight.clone() for name, weight in q.targets.state_dict().items()}
    q.update_targets()
    for name, weight in q.targets.state_dict().items():
        torch.testing.assert_close(weight, old[name] + 0.25)
    assert q.training
    assert not any(part.training for part in q.targets.modules())
    assert not torch.equal(q(Z, A), q(Z, A))  # whose heads drop in training


def test_frozen_values_teach_what_they_are_given() -> None:
    q, actions = q_ensemble(), A.clone().requires_grad_()
    q(Z, actions, frozen=True).sum().backward()
    assert actions.grad is not None
    assert actions.grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in q.parameters())
    torch.testing.assert_close(q(Z, A, frozen=True), q(Z, A))


def test_the_density_of_squashed_actions_adds_up_to_one() -> None:
    """Numbers of the range are as likely as the policy says: integrated over a grid in float64."""
    policy = awake(GaussianPolicy(8, 1, hidden_dims=(12,), log_std=(-1.0, 0.5))).double()
    latent = Z[:1].double()
    mean, log_std = policy.moments(latent)
    squashed = torch.linspace(-8, 8, 20001, dtype=torch.float64).unsqueeze(-1)
    noise = (squashed - mean) / log_std.exp()
    drawn = policy.sample(latent.expand(len(noise), -1), noise=noise)
    density, actions = drawn.log_prob.exp(), drawn.actions.squeeze(-1)
    area = ((density[1:] + density[:-1]) / 2 * actions.diff()).sum()
    assert abs(area.item() - 1) < 1e-3
    assert torch.equal(drawn.entropy, -drawn.log_prob)
    plain = -(0.5 * noise.square() + log_std + 0.5 * math.log(2 * math.pi)).squeeze(-1)
    torch.testing.assert_close(drawn.scaled_entropy, -plain, atol=1e-3, rtol=1e-3)  # 1e-8 in it


def test_the_entropy_of_squashed_actions_is_rewarded_where_asked_for() -> None:
    """Means that run off to where tanh is flat lose by it, and gain nothing by the published one."""
    for kind in ("unsquashed", "squashed"):
        policy = awake(GaussianPolicy(8, 2, hidden_dims=(12,), entropy=kind))
        noise = torch.zeros(len(Z), 2)
        near = policy.sample(Z, noise=noise)
        with torch.no_grad():
            policy.network.layers[-1].bias[:2] += 4.0  # the means
        far = policy.sample(Z, noise=noise)
        falls = near.scaled_entropy - far.scaled_entropy
        if kind == "squashed":
            assert torch.equal(near.scaled_entropy, near.entropy)
            assert falls.min() > 1
        else:
            torch.testing.assert_close(falls, torch.zeros_like(falls), atol=1e-3, rtol=0)


def test_draws_follow_the_generator_and_the_gradient_the_policy() -> None:
    policy = awake(GaussianPolicy(8, 2, hidden_dims=(12,)))
    one, other = (policy.sample(Z, generator=torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one.actions, other.actions)
    low, high = policy.moments(Z)[1].aminmax()
    assert low >= -10
    assert high <= 2
    one.actions.sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in policy.parameters())


def test_choices_come_as_often_as_they_are_likely() -> None:
    policy = awake(CategoricalPolicy(8, 3, hidden_dims=(12,), unimix=0.1))
    count = 20_000
    shares = policy.probabilities(Z[0]).detach()
    drawn = policy.sample(Z[:1].expand(count, -1), generator=torch.Generator().manual_seed(4))
    counted = drawn.actions.detach().mean(0)
    error = (shares * (1 - shares) / count).sqrt()
    assert ((counted - shares).abs() < 5 * error).all()  # by chance less often than once in a million
    assert shares.min() >= 0.1 / 3
    assert (drawn.actions.sum(-1) - 1).abs().max() < 1e-6
    chosen = drawn.actions.argmax(-1)
    torch.testing.assert_close(drawn.log_prob, shares.log()[chosen])
    torch.testing.assert_close(drawn.entropy[0], -(shares * shares.log()).sum())
    assert policy(Z).sum(-1).tolist() == [1.0] * 6
    assert torch.equal(policy(Z).argmax(-1), policy.probabilities(Z).argmax(-1))


def test_the_gradient_of_a_choice_is_that_of_its_probabilities() -> None:
    policy, weights = awake(CategoricalPolicy(8, 3, hidden_dims=(12,))), torch.tensor([1.0, -2.0, 0.5])
    parameters = list(policy.parameters())
    drawn = (policy.sample(Z).actions * weights).sum()
    likely = (policy.probabilities(Z) * weights).sum()
    pairs = zip(*(torch.autograd.grad(one, parameters) for one in (drawn, likely)), strict=True)
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in pairs)


def test_the_recorded_scale() -> None:
    scale = RunningScale()
    for i in range(3):
        scale.update(TDMPC2[f"scale.input{i}"])
        torch.testing.assert_close(scale.scale.float(), TDMPC2[f"scale.value{i}"][0], atol=1e-6, rtol=0)


def test_a_scale_of_small_spreads_stays_one() -> None:
    scale = RunningScale(rate=1.0)
    scale.update(torch.zeros(4))
    assert scale.scale == 1
    scale.update(torch.arange(101.0))
    assert scale.scale == pytest.approx(90.0)
    assert scale(torch.tensor(45.0)) == pytest.approx(0.5)
    assert set(scale.state_dict()) == {"scale"}


@pytest.mark.parametrize("spoilt", [[torch.nan], [torch.inf], [-torch.inf, torch.inf], 50 * [-3e38, 3e38]])
def test_a_scale_is_not_spoilt_by_a_batch_that_is(spoilt: list[float]) -> None:
    """Not by one bad value among many, beyond the percentiles, and not by a spread that overflows."""
    scale, plain = RunningScale(rate=0.5), RunningScale(rate=0.5)
    for others in (40, 4):
        for one in (scale, plain):
            one.update(torch.arange(101.0))
        before = scale.scale.clone()
        scale.update(torch.cat((torch.tensor(spoilt), torch.zeros(others))))
        assert torch.equal(scale.scale, before)
    assert scale.scale > 50
    for one in (scale, plain):
        one.update(torch.arange(101.0))
    assert torch.equal(scale.scale, plain.scale)


def test_a_choice_of_nothing_known_is_no_choice() -> None:
    policy = CategoricalPolicy(3, 4, hidden_dims=(6,))
    chosen = policy(torch.tensor([[0.0, 1.0, 2.0], [torch.nan, 0.0, 0.0]]))
    assert chosen[0].sum() == 1
    assert chosen[1].isnan().all()
