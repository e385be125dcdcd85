"""What is peculiar to each of the eight additions, beyond the path that they share."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import leworld
from leworld.costs import GoalCost
from leworld.data import Observation, Windows, fit_processor
from leworld.errors import CheckpointError, ConfigError
from leworld.models import LeWM, WorldModel, embed, to_weights
from leworld.planners import CEMPlanner
from leworld.training import Devices, TrainSettings, train
from tests.extension import backbone, gru, proprio, recurrent, reward, tokens, world
from tests.extension.point import Point

SETTINGS = TrainSettings(num_steps=2, batch_size=8, batchnorm_windows=16)
TASK = Point()
EPISODES = TASK.collect(4)
PROCESSOR = fit_processor(EPISODES, frameskip=2)
FRAMES = EPISODES.pixels[:3]


def trained(model: WorldModel, folder: Path, **options: TrainSettings) -> WorldModel:
    model.processor = PROCESSOR
    windows = Windows(EPISODES, model.history_size, frameskip=2)
    usual = {"settings": SETTINGS, "progress": False, "devices": Devices(accelerator="cpu")}
    return train(model, windows, folder=folder, **(usual | options))


def test_tokens_weigh_by_the_models_own_distance(generator: torch.Generator) -> None:
    model = tokens.build(PROCESSOR)
    start, goal = torch.randn(2, 1, 4, 8, generator=generator)
    for token, weight in enumerate(model.weights.tolist()):
        moved = goal.clone()
        moved[0, token] += 1
        assert model.latent_distance(moved, goal).item() == pytest.approx(8 * weight, rel=1e-5)
    actions = torch.randn(1, 5, 2, 4, generator=generator)
    cost = GoalCost(model, goal, context=start[:, None])(actions)
    ends = model.rollout(start[:, None], actions[:, 0, :0], actions)[:, :, -1]
    torch.testing.assert_close(cost, model.latent_distance(ends, goal[:, None]))


def test_a_frozen_backbone_stays_and_is_saved_once_it_is_configurable(tmp_path: Path) -> None:
    encoder = backbone.Backbone()
    encoder.body[1].running_mean.fill_(0.5)
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    with pytest.raises(CheckpointError, match="must_save=False"):  # before the first step
        trained(backbone.build(PROCESSOR, lambda: encoder), tmp_path / "run")
    model = trained(
        backbone.build(PROCESSOR, lambda: encoder),
        tmp_path / "run",
        settings=replace(SETTINGS, must_save=False),
    )
    assert isinstance(model, LeWM)
    assert all(torch.equal(before[name], tensor) for name, tensor in encoder.state_dict().items())
    with pytest.raises(CheckpointError) as caught:
        leworld.save(model, tmp_path / "model")
    for word in ("`model.encoder`", "Backbone", "leworld.nn.configurable", "classes=[...]"):
        assert word in str(caught.value)
    assert not (tmp_path / "model").exists()
    model.encoder = backbone.Wrapped().eval()
    model.encoder.load_state_dict(before)
    leworld.save(model, tmp_path / "model")
    with pytest.raises(CheckpointError, match="Wrapped"):
        leworld.load(tmp_path / "model")
    again = leworld.load(tmp_path / "model", classes=[backbone.Wrapped])
    assert all(torch.equal(before[name], again.state_dict()[f"encoder.{name}"]) for name in before)


@torch.no_grad()
def test_a_recurrent_predictor_takes_one_step_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    model = gru.build(PROCESSOR).eval()
    calls = []
    extend = gru.UserGRU.extend
    monkeypatch.setattr(gru.UserGRU, "extend", lambda *args: calls.append(1) or extend(*args))
    future = model.rollout(torch.randn(2, 1, 6), torch.zeros(2, 0, 4), torch.randn(2, 3, 20, 4))
    assert future.shape == (2, 3, 20, 6)
    assert len(calls) == 20


def test_a_goal_needs_the_place_and_the_heading() -> None:
    task, goal = world.TASK, np.array([0.5, 0.0, np.pi - 0.1])
    states = np.array([[0.5, 0.1, -np.pi + 0.1], [0.5, 0.1, 0.0], [-0.5, 0.0, np.pi - 0.1]])
    assert task.reached(states, goal).tolist() == [True, False, False]
    result = task.play(
        world.build(fit_processor(task.collect(2), frameskip=2)),
        task.pairs("trajectory-4", 4),
        planner=CEMPlanner(horizon=4, num_samples=64, num_elites=8, num_iterations=4),
        progress=False,
    )
    assert "0.5 rad" in str(result)
    assert result.policies["oracle"].success_rate == 1


def test_another_world_has_a_recipe(tmp_path: Path) -> None:
    recipe = world.recipe(settings=SETTINGS)
    model = recipe.train(tmp_path, progress=False)
    assert leworld.load(tmp_path).config == model.config
    start = recipe.build(model.processor).state_dict()
    assert not torch.equal(start["encoder.output.weight"], model.state_dict()["encoder.output.weight"])


def test_a_plan_earns_rewards_without_a_goal_from_the_policys_guess(tmp_path: Path) -> None:
    model = trained(reward.build(PROCESSOR), tmp_path)
    seen = Observation(FRAMES)
    latents = to_weights(model, embed(model, FRAMES))
    still = CEMPlanner(horizon=1, num_samples=2, num_elites=1, num_iterations=1, init_std=1e-6)
    guessed = reward.policy(model, still)
    guessed.reset()
    due = PROCESSOR.raw_actions(model.policy(latents).detach())[:, 0].clamp(-1, 1)
    np.testing.assert_allclose(guessed.act(seen), due, atol=1e-4)
    policy = reward.policy(model, CEMPlanner(horizon=2, num_samples=64, num_iterations=8))
    policy.reset()
    policy.act(seen)
    (decision,) = policy.decisions
    future = model.rollout(latents[:, None], latents.new_zeros(3, 0, 4), decision.plan.actions[:, None])
    earned = model.reward(future).sum((1, 2, 3))
    torch.testing.assert_close(decision.plan.cost, -earned.detach())
    idle = model.rollout(latents[:, None], latents.new_zeros(3, 0, 4), torch.zeros(3, 1, 2, 4))
    assert (earned > model.reward(idle).sum((1, 2, 3))).all()


@torch.no_grad()
def test_a_carried_state_remembers_what_was_seen_and_done() -> None:
    model = recurrent.build(PROCESSOR).eval()
    frames = torch.randn(2, 3, 12, 12)
    same, blocks = frames[:1].expand(2, -1, -1, -1), torch.tensor([[1.0] * 4, [-1.0] * 4])

    def after(first: torch.Tensor, done: torch.Tensor) -> torch.Tensor:
        state = model.observe(model.observe(None, first), same, done)
        return model.present(state)

    seen, done = after(frames, blocks[:1].expand(2, -1)), after(same, blocks)
    assert (seen[0] - seen[1]).abs().max() > 1e-3
    assert (done[0] - done[1]).abs().max() > 1e-3
    window = torch.stack((same, same), dim=1)
    torch.testing.assert_close(model.encode(window, blocks[:, None])[:, 1], done)
    assert torch.equal(model.encode(window)[0], model.encode(window)[1])


@torch.no_grad()
def test_every_part_of_an_observation_is_read() -> None:
    episodes = proprio.TASK.collect(3)
    model = proprio.build(fit_processor(episodes, frameskip=2, parts=proprio.PARTS)).eval()
    model.processor = fit_processor(episodes, frameskip=2, parts=proprio.PARTS)
    seen = episodes.observation(model.observation_parts).at(slice(0, 4))
    latents = embed(model, seen)
    assert model.observation_parts == ("pixels", "wrist", "proprio")
    for name in model.observation_parts:
        other = Observation(parts={**seen.parts, name: seen[name][::-1].copy()})
        assert (embed(model, other) - latents).abs().max() > 1e-4, name
        with pytest.raises(ConfigError, match=name):
            embed(model, seen.select([part for part in model.observation_parts if part != name]))
