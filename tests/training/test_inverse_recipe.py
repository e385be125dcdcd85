"""The inverse model's recipe: it learns to act, resumes bit for bit, and comes back from its folder."""

import json
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

import leworld
from leworld.control import InversePolicy
from leworld.data import Episodes
from leworld.envs import TwoRoomVector
from leworld.errors import CheckpointError, ConfigError, DataError
from leworld.evaluation import goal_reaching
from leworld.models import embed, to_weights
from leworld.tasks import get_task, two_room_pairs
from leworld.training import OptimizerSettings, TrainSettings, _fit, load_inverse, train_inverse
from leworld.training import _inverse_recipe as recipe
from tests.training.tiny import fingerprint, tiny_episodes, tiny_model

QUICK = TrainSettings(num_steps=20, batch_size=8, save_every=7, log_every=5)


def run(folder, *, model=None, settings=QUICK, **changes):
    model = tiny_model().eval() if model is None else model
    return train_inverse(
        model,
        tiny_episodes(),
        folder=folder,
        settings=settings,
        **{"max_steps": 3, "hidden_dim": 16, "progress": False, **changes},
    )


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    return folder, run(folder)


def test_an_interrupted_run_ends_with_the_same_weights(tmp_path, uninterrupted, monkeypatch):
    step = recipe._InverseModule.training_step

    def doomed(self, batch, batch_idx):
        if self.global_step == 16:
            raise RuntimeError("pulled plug")
        return step(self, batch, batch_idx)

    monkeypatch.setattr(recipe._InverseModule, "training_step", doomed)
    with pytest.raises(RuntimeError, match="pulled plug"):
        run(tmp_path)
    monkeypatch.undo()
    assert torch.load(tmp_path / "state.ckpt", weights_only=True)["global_step"] == 14
    torch.rand(5)  # the caller's random numbers play no part
    assert fingerprint(run(tmp_path)) == fingerprint(uninterrupted[1])
    assert (tmp_path / "metrics.csv").read_text() == (uninterrupted[0] / "metrics.csv").read_text()


def test_a_finished_run_is_not_trained_again(uninterrupted, monkeypatch):
    monkeypatch.setattr(_fit, "Trainer", lambda *_, **__: pytest.fail("trained again"))
    assert fingerprint(run(uninterrupted[0])) == fingerprint(uninterrupted[1])


def test_seed_data_model_and_size_make_another_run(tmp_path, uninterrupted):
    assert fingerprint(run(tmp_path, settings=replace(QUICK, seed=1))) != fingerprint(uninterrupted[1])
    changes: tuple[dict[str, Any], ...] = (
        {"settings": replace(QUICK, seed=1)},
        {"max_steps": 2},
        {"model": tiny_model(seed=1).eval()},
    )
    for change, name in zip(changes, ("settings", "inverse", "data"), strict=True):
        with pytest.raises(ConfigError, match=name):
            run(uninterrupted[0], **change)


def test_the_world_model_stays_as_it_was(tmp_path):
    model = tiny_model().train()
    before = fingerprint(model)
    generator = torch.get_rng_state()
    run(tmp_path, model=model, settings=replace(QUICK, num_steps=2))
    assert fingerprint(model) == before  # running statistics of BatchNorm included
    assert model.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), generator)


def test_windows_carry_the_embeddings_and_blocks_of_their_rows():
    model, episodes = tiny_model().eval(), tiny_episodes()
    table = embed(model, episodes.pixels, owner="test")
    windows = recipe._windows(episodes, 3, model.processor.frameskip)
    batch = windows.__getitems__([0, 5, len(windows) - 1])
    frames = torch.from_numpy(episodes.pixels[batch.rows.numpy()])
    with torch.no_grad():
        seen = to_weights(model, model.processor.observations(frames))
        expected = model.encode(seen)
    torch.testing.assert_close(table[batch.rows], expected.float())
    taken = episodes.actions[batch.rows[0, 1] : batch.rows[0, 1] + 2]
    block = model.processor.action_blocks(torch.from_numpy(taken))[0]
    torch.testing.assert_close(model.processor.action_blocks(batch.actions)[0, 1], block)


def test_what_was_trained_comes_back(uninterrupted):
    folder, inverse = uninterrupted
    assert not inverse.training
    again = load_inverse(folder / "inverse")
    assert fingerprint(again) == fingerprint(inverse)
    assert not again.training
    assert vars(again)["config"] == vars(inverse)["config"]
    here, there, left = torch.randn(4, 6), torch.randn(4, 6), torch.arange(4)
    assert torch.equal(again(here, there, left), inverse(here, there, left))


def test_folders_of_other_things_are_refused(tmp_path, uninterrupted):
    with pytest.raises(CheckpointError, match="LeWM"):
        load_inverse(leworld.save(tiny_model(), tmp_path / "model"))
    with pytest.raises(CheckpointError, match="GoalConditionedInverseModel"):
        leworld.load(uninterrupted[0] / "inverse")
    config = json.loads((uninterrupted[0] / "inverse" / "config.json").read_text())
    run(tmp_path, settings=replace(QUICK, num_steps=1))
    config["architecture"]["hidden_dim"] = 17
    (tmp_path / "inverse" / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"\(50|\(3|shape"):
        load_inverse(tmp_path / "inverse")


def test_episodes_must_be_long_enough(tmp_path):
    with pytest.raises(DataError, match="history_size=10"):
        run(tmp_path, max_steps=10)


@cache
def room_episodes() -> Episodes:
    return get_task("tworoom").collect(40, seed=3)


def success(folder, episodes: Episodes) -> float:
    model = leworld.load("lewm-tworoom-tiny")
    settings = TrainSettings(
        num_steps=150, batch_size=16, optimizer=OptimizerSettings(learning_rate=2e-3), save_every=150
    )
    inverse = train_inverse(
        model, episodes, folder=folder, settings=settings, max_steps=8, hidden_dim=64, progress=False
    )
    pairs = two_room_pairs("same-room", 40, seed=5)
    env = TwoRoomVector(40, image_size=64, max_episode_steps=None, autoreset_mode="Disabled")
    policies = {"inverse": InversePolicy(model, inverse)}
    result = goal_reaching(pairs, policies, env=env, progress=False, num_recorded=0)
    return result.policies["inverse"].success_rate


def test_a_minute_of_training_arrives_where_random_actions_do_not(tmp_path):
    """Random actions reach 2 % of these goals."""
    assert success(tmp_path, room_episodes()) >= 0.8


def test_the_measure_tells_apart_who_learned_from_other_actions(tmp_path):
    """The same frames with the actions of other moments teach nothing."""
    episodes = room_episodes()
    known = ~np.isnan(episodes.actions).any(axis=1)
    shuffled = episodes.actions.copy()
    shuffled[known] = np.random.default_rng(0).permutation(shuffled[known])
    assert success(tmp_path, replace(episodes, actions=shuffled)) < 0.3
