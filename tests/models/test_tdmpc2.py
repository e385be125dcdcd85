"""TD-MPC2 as a model of this library: what learns, what follows, what is saved, what an end is worth."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import leworld
from leworld.data import Batch
from leworld.errors import CheckpointError
from leworld.heads import GaussianPolicy, QEnsemble, ScalarHead, TerminationHead, TwoHot
from leworld.models import TDMPC2
from leworld.nn import configurable
from leworld.predictors import SimNormPredictor
from tests.models.rewarded import (
    batch,
    check_exports,
    check_gradients_are_clipped_apart,
    check_loads,
    check_rebuilds,
    check_resumes,
    processed,
)
from tests.models.tdmpc2 import LATENT, tdmpc2, vectors

BOTH = pytest.mark.parametrize("encoder", ["vector", "picture"])


@BOTH
def test_every_parameter_but_the_targets_learns(encoder: str) -> None:
    model = tdmpc2(encoder)
    model.loss(batch(model, 16)).total.backward()
    still = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 1e-7]
    # The softmax of SimNorm takes out what all cells of a channel have in common.
    assert {name for name in still if not name.startswith("value.targets")} <= {"encoder.stages.1.bias"}
    assert any(name.startswith("value.targets") for name in still)


def test_a_policy_term_teaches_the_policy_only() -> None:
    model = tdmpc2()
    model.loss(batch(model)).terms["policy"].backward()
    taught = {n.partition(".")[0] for n, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    assert taught == {"policy"}


def test_targets_move_in_training_only() -> None:
    model = tdmpc2()
    model.value.heads.load_state_dict({n: w + 1 for n, w in model.value.targets.state_dict().items()})
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    model.eval().loss(batch(model))
    with torch.no_grad():
        model.train().loss(batch(model))
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    model.loss(batch(model))
    moved = [name for name, weight in model.state_dict().items() if not torch.equal(weight, before[name])]
    assert moved
    assert {name.partition(".")[0] for name in moved} <= {"value", "scale"}
    for name in moved:
        if name.startswith("value"):
            torch.testing.assert_close(model.state_dict()[name], before[name] + 0.01)


@BOTH
def test_draws_come_from_the_generator(encoder: str) -> None:
    model = tdmpc2(encoder).eval()
    one, same, other = (
        model.loss(batch(model), generator=torch.Generator().manual_seed(seed)).total for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_weights_of_terms() -> None:
    model = tdmpc2(weights={"reward": 2.0, "termination": 0.0})
    losses = model.loss(batch(model))
    ratios = {"consistency": 20.0, "reward": 2.0, "value": 0.1, "termination": 0.0, "policy": 1.0}
    assert set(losses.terms) == set(ratios)
    for name, ratio in ratios.items():
        torch.testing.assert_close(losses.terms[name], ratio * losses.values[name])


@pytest.mark.parametrize(("size", "count"), [("1M", 1_214_651), ("5M", 4_960_618)])
def test_published_sizes(size: str, count: int) -> None:
    model = TDMPC2.of_size(size, 6, observation_dim=24)
    own = [p.numel() for name, p in model.named_parameters() if not name.startswith("value.targets")]
    assert sum(own) == count
    assert model.discount == pytest.approx(0.99)


@torch.no_grad()
def test_the_published_picture_encoder() -> None:
    model = TDMPC2.of_size("5M", 6, image_size=64, in_channels=9).eval()
    latents = model.encode(torch.randn(2, 1, 9, 64, 64))
    assert latents.shape == (2, 1, 512)
    torch.testing.assert_close(latents.sum(-1), torch.full((2, 1), 64.0))


@torch.no_grad()
def test_pictures_are_moved_in_training_only() -> None:
    encoder = TDMPC2.of_size("5M", 6, image_size=64).encoder
    picture = torch.randn(1, 3, 64, 64).expand(8, -1, -1, -1)
    still = encoder.eval()(picture)
    assert (still - still[:1]).abs().max() < 1e-6
    moved = encoder.train()(picture)
    assert (moved - moved[:1]).abs().max() > 1e-4


@BOTH
def test_rebuilds_from_its_config(encoder: str) -> None:
    check_rebuilds(tdmpc2(encoder, weights={"reward": 0.3}))


@torch.no_grad()
def test_it_is_saved_and_loaded(tmp_path: Path) -> None:
    model = processed(tdmpc2("picture")).eval()
    model.scale.scale.fill_(3.5)
    again = check_loads(model, tmp_path / "model")
    assert not any(p.requires_grad for p in again.value.targets.parameters())
    assert all(p.requires_grad for p in again.value.heads.parameters())


@torch.no_grad()
def test_it_is_exported(tmp_path: Path) -> None:
    check_exports(tdmpc2("picture"), tmp_path / "robot", LATENT)


def test_vectors_are_not_exported(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="`proprio`"):
        leworld.hub.export(processed(tdmpc2()), tmp_path / "robot")


def test_a_run_that_was_cut_off_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Targets and scale among them, which follow what was learned before."""
    check_resumes(lambda: tdmpc2(dropout=0.2), tmp_path, monkeypatch)


STATES, GAMMA = 4, 0.8


@configurable
class Given(nn.Module):
    """States as they are, one-hot."""

    embedding_dim, observation_parts = STATES, ("proprio",)

    def forward(self, states: Tensor) -> Tensor:
        return states


def dynamic_programming(*, ends: bool) -> Tensor:
    """Values of a chain of states 0 .. 3, each step to the right at a cost of 1, by value iteration.

    The last state leads to itself. Its first arrival ends the episode where it `ends` by its own rule; else
    the episode is cut off there and was worth going on.
    """
    values = np.zeros(STATES)
    over = np.array([ends and s + 1 >= STATES - 1 for s in range(STATES)])
    for _ in range(200):
        values = -1 + GAMMA * np.where(over, 0.0, np.append(values[1:], values[-1]))
    return torch.from_numpy(values)


@cache
def learned(*, ends: bool) -> Tensor:
    """The same values as a TD-MPC2 learns them from transitions, `terminated` if the chain ends."""
    torch.manual_seed(0)
    bins = TwoHot("symexp", 41, low=-2.5, high=2.5)
    value = QEnsemble(STATES, 1, num_members=2, hidden_dims=(32,), two_hot=bins, dropout=0.0, target_rate=0.5)
    model = TDMPC2(
        Given(),
        SimNormPredictor(STATES, 1, condition_dim=1, hidden_dims=(4,), simnorm_dim=2),
        reward=ScalarHead(STATES, 1, hidden_dims=(4,)),
        value=value,
        policy=GaussianPolicy(STATES, 1, hidden_dims=(4,)),
        termination=TerminationHead(STATES, hidden_dims=(4,)),
        discount=GAMMA,
    )
    left = torch.arange(STATES).repeat(2)
    reached = (left + 1).clamp(max=STATES - 1)
    states = nn.functional.one_hot(torch.stack((left, reached), dim=1), STATES).to(torch.get_default_dtype())
    over = ((reached == STATES - 1) & ends).unsqueeze(1).expand(-1, 2)
    columns = {"reward": torch.full((len(left), 2), -1.0), "terminated": over}
    optimizer = torch.optim.Adam(value.heads.parameters(), lr=2e-2)
    generator = torch.Generator().manual_seed(1)
    for _ in range(150):
        actions = torch.rand(len(left), 2, 1, generator=generator) * 2 - 1
        losses = model.loss(Batch(vectors(states), actions, columns), generator=generator)
        optimizer.zero_grad()
        losses.values["value"].backward()
        optimizer.step()
    with torch.no_grad():
        return value(torch.eye(STATES), torch.zeros(STATES, 1)).double()


@pytest.mark.parametrize("ends", [True, False], ids=["terminated", "truncated"])
def test_values_of_a_chain_are_those_of_dynamic_programming(ends: bool) -> None:
    torch.testing.assert_close(learned(ends=ends), dynamic_programming(ends=ends), atol=0.3, rtol=0)


def test_truncation_taken_for_an_end_is_seen() -> None:
    assert (learned(ends=True) - dynamic_programming(ends=False)).abs().max() > 1.0


def test_the_policy_does_not_decide_how_far_the_others_learn(tmp_path: Path) -> None:
    check_gradients_are_clipped_apart(tdmpc2(), "policy", tmp_path)
