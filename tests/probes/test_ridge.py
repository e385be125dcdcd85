"""What a ridge probe keeps, ignores and admits."""

import math

import pytest
import torch

from leworld.probes import RidgeProbe, split_by_episode
from tests.probes.checks import make_task
from tests.probes.wrong import ours


def test_rotation_shift_and_scale_of_the_embedding_change_nothing():
    task = make_task()
    turn = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64))[0]
    moved = task._replace(
        **{
            part: (0.01 * getattr(task, part)[0] @ turn - 4.0, getattr(task, part)[1])
            for part in task._fields
        }
    )
    for penalty in (1e-4, 1.0):
        plain, changed = ours((penalty,), task), ours((penalty,), moved)
        assert torch.allclose(plain.predict(task.test[0]), changed.predict(moved.test[0]), rtol=1e-8)


def test_copies_of_all_samples_change_nothing():
    task = make_task()
    twice = task._replace(train=tuple(tensor.repeat(3, 1) for tensor in task.train))
    assert torch.allclose(
        ours((0.1,), task).predict(task.test[0]), ours((0.1,), twice).predict(task.test[0]), rtol=1e-10
    )


def test_float32_input_is_computed_in_float64():
    task = make_task()
    single = task._replace(**{part: tuple(t.float() for t in getattr(task, part)) for part in task._fields})
    exact = single._replace(
        **{part: tuple(t.double() for t in getattr(single, part)) for part in task._fields}
    )
    predicted = ours((0.1,), single)(single.test[0])
    assert predicted.dtype == torch.float64
    assert torch.equal(predicted, ours((0.1,), exact)(exact.test[0]))


def test_a_linear_target_is_found_whatever_axes_lead(generator):
    x = torch.randn(4, 30, 5, generator=generator)
    y = x @ torch.randn(5, 2, generator=generator) + 3.0
    probe = RidgeProbe(5, 2, penalties=(1e-8,)).fit(x.flatten(0, 1), y.flatten(0, 1))
    assert probe(x).shape == (4, 30, 2)
    assert torch.allclose(probe(x), y.double(), atol=1e-3)


def test_constant_embeddings_know_the_mean_and_nothing_else(generator):
    y = torch.randn(400, 2, generator=generator)
    collapsed = torch.full((400, 8), 0.3)
    probe = RidgeProbe(8, 2, penalties=(1e-6, 1.0))
    probe.fit(
        collapsed[:200],
        y[:200],
        validation_embeddings=collapsed[200:300],
        validation_targets=y[200:300],
    )
    assert torch.allclose(probe(collapsed[:1])[0], y[:200].double().mean(0))
    score = probe.score(collapsed[300:], y[300:])
    # R2 of a constant guess is -(gap of the means)^2 / variance: at most 0, about -1/200 - 1/100.
    assert -0.2 < score.mean_r2 <= 0
    assert all(math.isnan(value) for value in score.pearson)
    assert float(probe.penalty) == 1.0  # a tie goes to the larger one


def test_random_embeddings_and_shuffled_episodes_score_about_zero(generator):
    # 60 episodes with a constant target each: only a split by episode tells memory from knowledge.
    episode = torch.arange(60).repeat_interleave(20)
    label = torch.randn(60, 1, generator=generator)[episode]
    embeddings = torch.randn(60, 16, generator=generator)[episode]  # a fingerprint of the episode
    embeddings = embeddings + 0.01 * torch.randn(1200, 16, generator=generator)
    split = split_by_episode(episode, test=0.3)
    probe = RidgeProbe(16, 1).fit(
        embeddings[split.train],
        label[split.train],
        validation_embeddings=embeddings[split.validation],
        validation_targets=label[split.validation],
    )
    assert probe.score(embeddings[split.test], label[split.test]).mean_r2 < 0.3
    cheating = RidgeProbe(16, 1, penalties=(1e-8,)).fit(embeddings, label)
    assert cheating.score(embeddings, label).mean_r2 > 0.15


def test_score_is_undefined_where_held_out_targets_do_not_vary():
    task = make_task()
    probe = ours((0.1,), task)
    x, y = task.test
    y = y.clone()
    y[:, 1] = 2.0
    score = probe.score(x, y)
    assert math.isnan(score.r2[1])
    assert math.isnan(score.pearson[1])
    assert math.isnan(score.mean_r2)
    assert not math.isnan(score.r2[0])
    assert score.to_json()["r2"][1] is None
    assert "nan" in str(score)


def test_state_dict_round_trip_and_gradient_free():
    task = make_task()
    probe = ours((0.1, 1.0), task)
    copy = RidgeProbe(6, 3)
    copy.load_state_dict(probe.state_dict())
    embeddings = task.test[0].clone().requires_grad_(True)
    assert torch.equal(copy(embeddings), probe(embeddings))
    assert not probe(embeddings).requires_grad
    assert not list(probe.parameters())
    assert float(copy.penalty) == float(probe.penalty)
    assert torch.equal(probe.predict(embeddings), probe(embeddings))
    assert probe.score(*task.test) == copy.score(*task.test)


def test_fit_leaves_its_arguments_alone():
    task = make_task()
    before = [tensor.clone() for part in task for tensor in part]
    ours((0.1, 1.0), task)
    assert all(torch.equal(a, b) for a, b in zip(before, [t for part in task for t in part], strict=True))


@pytest.mark.parametrize("count", [3, 4, 7, 100])
def test_split_always_fills_all_three_parts(count):
    split = split_by_episode(torch.arange(count), validation=0.01, test=0.01)
    assert min(len(split.train), len(split.validation), len(split.test)) >= 1
