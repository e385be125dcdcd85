"""DreamerV3's world model as a model of this library: what learns, what is drawn, what is saved."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

import leworld
from leworld.control import PolicyProposals, Situation
from leworld.costs import ReturnCost
from leworld.data import Batch, Observation
from leworld.errors import CheckpointError
from leworld.models import RSSM
from tests.models.rewarded import (
    ACTION,
    batch,
    check_exports,
    check_gradients_are_clipped_apart,
    check_loads,
    check_rebuilds,
    check_resumes,
    processed,
)
from tests.models.rssm import LATENT, STATE, rssm

KINDS = ("picture", "vector", "no picture")
EVERY = pytest.mark.parametrize("encoder", KINDS)


@EVERY
def test_every_parameter_but_the_slow_copy_learns(encoder: str) -> None:
    model = rssm(encoder, free_nats=0.0)
    model.loss(batch(model, 16)).total.backward()
    still = {n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 1e-7}
    copied = {name for name, _ in model.named_parameters() if name.startswith("actor_critic.value.target")}
    assert copied
    assert still == copied


@pytest.mark.parametrize(
    ("term", "part"), [("policy", "actor_critic.policy"), ("value", "actor_critic.value")]
)
def test_imagination_teaches_nothing_but_how_to_act(term: str, part: str) -> None:
    model = rssm()
    model.loss(batch(model)).terms[term].backward()
    taught = [n for n, p in model.named_parameters() if p.grad is not None and p.grad.any()]
    assert taught
    assert all(name.startswith(part) for name in taught)


@pytest.mark.parametrize(("term", "taught"), [("dynamics", "prior"), ("representation", "posterior")])
def test_each_divergence_teaches_its_own_side(term: str, taught: str) -> None:
    model = rssm(learns=False, free_nats=0.0)
    model.loss(batch(model, time=2)).terms[term].backward()
    both = {"prior": model.predictor.prior, "posterior": model.posterior}
    learning = {
        name
        for name, part in both.items()
        if any(p.grad is not None and p.grad.any() for p in part.parameters())
    }
    # The prior of the second frame stands on the posterior of the first.
    assert taught in learning
    assert (term == "dynamics") or learning == {"posterior"}


def test_what_is_free_teaches_nothing() -> None:
    model = rssm(learns=False, free_nats=1e3)
    losses = model.loss(batch(model))
    assert losses.values["dynamics"] == losses.values["representation"] == 1e3
    losses.terms["dynamics"].backward()
    assert not any(p.grad is not None and p.grad.any() for p in model.predictor.prior.parameters())


@EVERY
def test_weights_of_terms(encoder: str) -> None:
    model = rssm(encoder, weights={"reward": 2.0, "termination": 0.0})
    losses = model.loss(batch(model))
    ratios = {
        "reconstruction": 1.0,
        "dynamics": 1.0,
        "representation": 0.1,
        "reward": 2.0,
        "termination": 0.0,
    }
    ratios |= {"policy": 1.0, "value": 1.0} | ({"regularizer": 1.0} if encoder == "no picture" else {})
    assert set(losses.terms) == set(ratios)
    for name, ratio in ratios.items():
        torch.testing.assert_close(losses.terms[name], ratio * losses.values[name])


def test_the_first_frame_has_earned_nothing_and_the_last_reward_is_not_seen() -> None:
    model = rssm("vector")
    data = batch(model)

    def reward(column: Tensor) -> Tensor:
        columns = {**data.columns, "reward": column}
        source = torch.Generator().manual_seed(1)
        return model.loss(Batch(data.observations, data.actions, columns), generator=source).values["reward"]

    changed = data.columns["reward"].clone()
    changed[:, -1] += 5
    assert torch.equal(reward(changed), reward(data.columns["reward"]))
    changed[:, -2] += 5
    assert not torch.equal(reward(changed), reward(data.columns["reward"]))


@EVERY
def test_draws_come_from_the_generator(encoder: str) -> None:
    model = rssm(encoder)
    one, same, other = (
        model.eval().loss(batch(model), generator=torch.Generator().manual_seed(seed)).total
        for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@torch.no_grad()
def test_states_are_drawn_where_there_is_a_generator() -> None:
    model = rssm(learns=False).eval()
    seen = batch(model, 64).observations.at((slice(None), 0))
    most_likely = model.observe(None, seen)
    assert torch.equal(most_likely, model.observe(None, seen))
    drawn = model.observe(None, seen, generator=torch.Generator().manual_seed(0))
    assert torch.equal(drawn[:, :STATE], most_likely[:, :STATE])
    assert not torch.equal(drawn, most_likely)
    actions = torch.zeros(64, 1, 3, ACTION)
    ahead = model.imagine(most_likely, actions, generator=torch.Generator().manual_seed(0))
    again = model.imagine(most_likely, actions, generator=torch.Generator().manual_seed(0))
    assert torch.equal(ahead, again)
    assert not torch.equal(ahead, model.imagine(most_likely, actions))
    assert ahead[..., STATE:].unflatten(-1, (3, 4)).sum(-1).eq(1).all()


@torch.no_grad()
def test_the_state_remembers_what_the_frame_does_not_show() -> None:
    """Two pasts that differ in one action end in different latents of the same last frame."""
    model = rssm(learns=False).eval()
    data = batch(model)
    other = data.actions.clone()
    other[:, 0] += 1.0
    latents, changed = (model.encode(data.observations, actions) for actions in (data.actions, other))
    torch.testing.assert_close(latents[:, 0], changed[:, 0])
    assert (latents[:, 1:] - changed[:, 1:]).abs().amax((0, 2)).min() > 1e-3


def test_actions_beyond_a_limit_are_brought_to_it() -> None:
    predictor = rssm(learns=False).predictor
    latents, actions = torch.zeros(2, LATENT), torch.tensor([[3.0, -5.0, 0.5, 1.0]]).expand(2, -1)
    plain = predictor.advance(latents, actions)
    predictor.action_limit = 2.0
    bounded = predictor.advance(latents, actions)
    assert not torch.equal(bounded, plain)
    torch.testing.assert_close(bounded, predictor.advance(latents, actions.clamp(-2, 2)))


@torch.no_grad()
def test_it_is_planned_with_by_its_own_reward_value_and_policy() -> None:
    """The value is of a latent, so the action that the policy takes there plays no part."""
    model = rssm().eval()
    state = model.observe(None, batch(model).observations.at((slice(None), 0)))
    actions = torch.randn(6, 2, 3, ACTION, generator=torch.Generator().manual_seed(2))
    reached = model.imagine(state, actions)
    over = model.termination(reached) > 0.5
    going = torch.cat((torch.ones_like(over[..., :1]), ~over), dim=-1).cumprod(-1)
    gains = torch.cat((model.reward(reached), model.value(reached[:, :, -1:])), dim=-1)
    expected = -(gains * going * 0.997 ** torch.arange(4)).sum(-1)
    torch.testing.assert_close(ReturnCost(model, state=state)(actions), expected, atol=1e-4, rtol=1e-4)
    here = model.present(state)
    situation = Situation(model, state, here, goal=None, horizon=3, former=None, environments=tuple(range(6)))
    guesses = PolicyProposals(4)(situation)
    assert guesses.shape == (6, 5, 3, ACTION)
    first = guesses[:, 1:, 0]
    drawn = model.policy.log_prob(here.unsqueeze(1).expand(-1, 4, -1), first)
    assert drawn.isfinite().all()


@pytest.mark.parametrize(("size", "core", "prior"), [("1M", 0.27e6, 0.05e6), ("12M", 4.34e6, 0.72e6)])
def test_published_sizes(size: str, core: float, prior: float) -> None:
    model = RSSM.of_size(size, 6, rewarded=False)
    counted = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    own = sum(p.numel() for p in model.predictor.prior.parameters())
    assert abs(own - prior) < 0.006e6
    assert abs(counted["predictor"] - own - core) < 0.006e6
    assert model.decoder(torch.zeros(1, *model.latent_shape)).shape == (1, 3, 64, 64)


@pytest.mark.parametrize("discrete", [False, True])
def test_a_published_size_learns_a_task_from_vectors(discrete: bool) -> None:
    model = RSSM.of_size("1M", 3, observation_dim=5, episodic=True, discrete=discrete, history_size=2)
    data = Batch(
        Observation(parts={"proprio": torch.randn(4, 3, 5)}),
        torch.eye(3)[torch.randint(3, (4, 3))],
        {"reward": torch.randn(4, 3), "terminated": torch.zeros(4, 3)},
    )
    losses = model.loss(data)
    losses.total.backward()
    assert {"reward", "termination", "policy", "value"} < set(losses.terms)
    assert model.policy.sample(losses.latents).actions.shape == (4, 3, 3)


@EVERY
def test_rebuilds_from_its_config(encoder: str) -> None:
    check_rebuilds(rssm(encoder, weights={"reward": 0.3}))


@pytest.mark.parametrize("encoder", ["picture", "no picture"])
@torch.no_grad()
def test_it_is_saved_and_loaded(encoder: str, tmp_path: Path) -> None:
    model = processed(rssm(encoder)).eval()
    model.actor_critic.scale.scale.fill_(3.5)
    again = check_loads(model, tmp_path / "model")
    assert not any(p.requires_grad for p in again.actor_critic.value.target.parameters())


@torch.no_grad()
def test_it_is_exported(tmp_path: Path) -> None:
    check_exports(rssm(), tmp_path / "robot", LATENT)


def test_vectors_are_not_exported(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="`proprio`"):
        leworld.hub.export(processed(rssm("vector")), tmp_path / "robot")


def test_a_run_that_was_cut_off_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slow copy and the scale among them, which follow what was learned before."""
    check_resumes(lambda: rssm("vector"), tmp_path, monkeypatch)


@pytest.mark.parametrize("encoder", ["picture", "no picture"])
def test_an_optimiser_step_lowers_the_loss(encoder: str) -> None:
    model = rssm(encoder, learns=False)
    data, optimizer, values = batch(model, 16), torch.optim.Adam(model.parameters(), lr=3e-3), []
    for step in range(40):
        losses = model.loss(data, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
        values.append(losses.total.item())
    assert sum(values[-5:]) < 0.8 * sum(values[:5])


def test_acting_does_not_decide_how_far_the_others_learn(tmp_path: Path) -> None:
    check_gradients_are_clipped_apart(rssm("vector"), "actor_critic", tmp_path)
