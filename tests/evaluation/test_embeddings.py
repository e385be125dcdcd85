"""How much of the state an embedding holds, and whether its distances lead to goals."""

import math

import pytest
import torch

from leworld.envs import TwoRoomArena
from leworld.evaluation import metric_monotonicity, probe_states
from leworld.tasks import two_room_held_out
from leworld.tasks.tworoom._pairs import two_room_steps
from tests.evaluation.fakes import Sighted, plain_processor


@pytest.fixture(scope="module")
def episodes():
    return two_room_held_out(30, image_size=32)


def _model(distort=lambda place: place) -> Sighted:
    return Sighted(plain_processor(), distort=distort)


def _turned(place):
    return place @ torch.tensor([[0.6, -0.8], [0.8, 0.6]]).to(place) * 0.01 - 3.0


def test_a_linear_embedding_of_the_state_is_found(episodes):
    score = probe_states(_model(_turned), episodes)
    assert score.mean_r2 > 0.999
    assert max(score.rmse) < 1.0
    assert len(score.r2) == 2


def test_half_of_the_state_is_half_of_the_score(episodes):
    score = probe_states(_model(lambda place: place * torch.tensor([1.0, 0.0])), episodes)
    assert score.r2[0] > 0.99
    assert score.r2[1] < 0.6


def test_a_collapsed_model_knows_nothing(episodes):
    score = probe_states(_model(lambda place: 0 * place + 0.5), episodes)
    assert -0.3 < score.mean_r2 <= 0
    assert all(math.isnan(value) for value in score.pearson)


def test_frames_are_spread_over_episodes_and_the_seed_decides(episodes):
    model = _model(lambda place: torch.sin(place / 60))
    scores = [probe_states(model, episodes, stride=10, seed=seed) for seed in (0, 0, 1)]
    assert scores[0] == scores[1]
    assert scores[0] != scores[2]
    lengths = episodes.lengths
    assert scores[0].num_samples <= sum(-(-int(length) // 10) for length in lengths)
    goal = probe_states(model, episodes, column="goal")
    assert goal.mean_r2 < scores[0].mean_r2


def monotonicity(model, num_steps, **options):
    arena = TwoRoomArena()
    return metric_monotonicity(model, two_room_steps(arena, num_steps, **options), world=arena)


def test_true_distances_always_fall():
    result = monotonicity(_model(_turned), 120)
    assert result.overall == 1.0
    assert result.count == (20,) * 6


def test_saturated_distances_are_seen_where_they_saturate():
    # A bump of width 15 around the goal is all that such an embedding shows of a place.
    centres = torch.cartesian_prod(torch.arange(0.0, 225, 8), torch.arange(0.0, 225, 8))

    def bumps(place):
        apart = (place[..., None, :] - centres).square().sum(-1)
        return (torch.exp(-apart / (2 * 15.0**2)) * 1e4).round() / 1e4

    model = _model(bumps)
    model.latent_shape = (len(centres),)
    result = monotonicity(model, 240, edges=(10, 20, 30, 100, 150))
    assert min(result.share[:2]) > 0.95
    assert result.share[-1] < 0.6


def test_a_collapsed_model_lowers_no_distance():
    result = monotonicity(_model(lambda place: 0 * place), 30)
    assert result.overall == 0.0


def test_steps_are_divided_evenly_and_drawn_from_the_seed():
    noisy = _model(lambda place: torch.sin(place / 3))
    runs = [monotonicity(noisy, 62, edges=(10, 40, 80), seed=s) for s in (0, 0, 1)]
    assert runs[0].count == (31, 31)
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]
    assert monotonicity(noisy, 7, edges=(10, 40, 80)).count == (4, 3)


def test_the_model_is_left_as_it_was(episodes):
    model = _model()
    model.head = torch.nn.Sequential(torch.nn.BatchNorm1d(2), torch.nn.Dropout().eval())
    model.train()
    model.head[1].eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    probe_states(model, episodes, stride=20)
    monotonicity(model, 6)
    assert model.training
    assert model.head[0].training
    assert not model.head[1].training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
