"""A model of float64 weights goes the whole way of one of float32, under torch's own defaults."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import leworld
from leworld.control import GoalConditionedInverseModel, InversePolicy, MPCPolicy, Situation
from leworld.data import Observation
from leworld.decoders import CrossAttentionDecoder
from leworld.errors import ConfigError
from leworld.evaluation import imagined_rollouts, prediction_errors
from leworld.models import LeWM, model_batch
from leworld.planners import CEMPlanner
from leworld.training import OptimizerSettings, TrainSettings, WorldModelModule, train, train_decoder
from tests.training.tiny import tiny_episodes, tiny_model, tiny_settings, tiny_windows

FRAMES = Observation(tiny_episodes().pixels[:2])
PLANNER = CEMPlanner(2, 8, num_elites=2, num_iterations=1)


def double() -> LeWM:
    return tiny_model().double()


def test_it_is_trained_saved_and_loaded_without_losing_a_digit(tmp_path: Path) -> None:
    model = train(
        double(), tiny_windows(), folder=tmp_path / "run", settings=tiny_settings(num_steps=2), progress=False
    )
    kept = {value.dtype for value in model.parameters()} | {model.projector.norm.running_mean.dtype}
    assert kept == {torch.float64}
    again = leworld.load(leworld.save(model, tmp_path / "model"))
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in model.state_dict().items())


def test_its_loss_is_that_of_float32_to_rounding() -> None:
    raw = tiny_windows().__getitems__(list(range(16)))
    one, other = (
        WorldModelModule(model, settings=tiny_settings()).losses(raw, step=0).terms["prediction"]
        for model in (tiny_model(dropout=0.0).float(), tiny_model(dropout=0.0).float().double())
    )
    assert (one.dtype, other.dtype) == (torch.float32, torch.float64)
    torch.testing.assert_close(one.double(), other, rtol=1e-4, atol=0)
    with pytest.raises(ConfigError, match="RawBatch"):
        model_batch(double(), model_batch(double(), raw))  # pyright: ignore[reportArgumentType] -- the point


def own_cost(situation: Situation) -> Any:
    """A function that says nothing of a dtype, in the model's own imagination."""

    def cost(actions: Tensor) -> Tensor:
        assert actions.dtype == situation.latents.dtype
        return situation.model.imagine(situation.state, actions).square().sum((2, 3))

    return cost


def guess(situation: Situation) -> Tensor:
    return torch.zeros(len(situation.latents), situation.horizon, 4, dtype=torch.float32)


@pytest.mark.parametrize("make", [tiny_model, double])
@pytest.mark.parametrize("propose", [None, guess, GoalConditionedInverseModel(6, 4, hidden_dim=8)])
def test_it_plans_whatever_cost_and_guess_say(make: Any, propose: Any) -> None:
    model = make().eval()
    for options in ({}, {"cost": own_cost}):
        policy = MPCPolicy(model, PLANNER, propose=propose, **options)
        policy.reset(FRAMES)
        assert np.isfinite(policy.act(FRAMES)).all()
        assert policy.decisions[0].plan.actions.dtype == next(model.parameters()).dtype


def test_parts_of_another_precision_are_of_use() -> None:
    model = double().eval()
    inverse = GoalConditionedInverseModel(6, 4, hidden_dim=8).float()
    policy = InversePolicy(model, inverse)
    policy.reset(FRAMES)
    assert np.isfinite(policy.act(FRAMES)).all()
    single = CrossAttentionDecoder(6, 8, patch_size=4, hidden_dim=8, depth=1).float()
    found = imagined_rollouts(model, tiny_episodes(), decoder=single, horizon=2, num_rollouts=2)
    twin = CrossAttentionDecoder(6, 8, patch_size=4, hidden_dim=8, depth=1).double()
    twin.load_state_dict(single.state_dict())
    torch.testing.assert_close(twin(found.true_latents[:, 0]), single(found.true_latents[:, 0]).double())
    assert all(errors.isfinite().all() for errors in prediction_errors(model, tiny_episodes().select([0])))


def test_a_decoder_in_float64_is_trained(tmp_path: Path) -> None:
    decoder = CrossAttentionDecoder(6, 8, patch_size=4, hidden_dim=8, depth=1).double()
    settings = TrainSettings(num_steps=2, batch_size=4, optimizer=OptimizerSettings(learning_rate=1e-3))
    before = decoder.output.weight.clone()
    train_decoder(
        tiny_model(), tiny_episodes(), folder=tmp_path, decoder=decoder, settings=settings, progress=False
    )
    assert decoder.output.weight.dtype == torch.float64
    assert not torch.equal(before, decoder.output.weight)
