"""Logistic regression against scikit-learn's, and classes in the tables."""

import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss

from leworld.errors import ConfigError, ShapeError
from leworld.probes import KNNProbe, LogisticProbe, RidgeProbe, fit_probe, split_by_episode
from tests.probes.checks import check_logistic, three_classes
from tests.probes.wrong import LOGISTICS


def test_ours_is_scikit_learns() -> None:
    check_logistic(lambda penalties, dim, classes: LogisticProbe(dim, classes, penalties=penalties))


@pytest.mark.parametrize("name", LOGISTICS)
def test_a_wrong_one_is_rejected(name: str) -> None:
    with pytest.raises(AssertionError):
        check_logistic(LOGISTICS[name])


def test_scores_of_classes_are_scikit_learns() -> None:
    x, labels, _ = three_classes()
    split = split_by_episode(torch.arange(90).repeat_interleave(4))
    score = fit_probe(
        LogisticProbe(5, 3, penalties=(1e-3,)), x, targets=labels[:, None].double(), split=split, kind="class"
    )
    train, test = split.train.numpy(), split.test.numpy()
    mean, scale = x[train].mean(0).numpy(), math.sqrt(x[train].numpy().var(0).mean())
    theirs = LogisticRegression(C=1 / (1e-3 * len(train)), tol=1e-12, max_iter=10_000)
    theirs.fit((x[train].numpy() - mean) / scale, labels[train].numpy())
    guess = theirs.predict((x[test].numpy() - mean) / scale)
    assert score.accuracy == accuracy_score(labels[test].numpy(), guess)
    assert score.to_json()["accuracy"] == score.accuracy
    assert "classes told" in str(score)
    assert score.degrees is None


@pytest.mark.parametrize("make", [RidgeProbe, KNNProbe], ids=lambda f: f.__name__)
def test_any_probe_can_tell_classes(make) -> None:
    x, labels, _ = three_classes(spread=0.3)
    split = split_by_episode(torch.arange(90).repeat_interleave(4))
    score = fit_probe(make(5, 3), x, targets=labels[:, None].float(), split=split, kind="class")
    assert score.accuracy is not None
    assert score.accuracy > 0.9


def test_shuffled_labels_are_told_no_better_than_by_chance() -> None:
    x, labels, source = three_classes()
    episode = torch.arange(90).repeat_interleave(4)
    shuffled = labels.reshape(90, 4)[torch.randperm(90, generator=source)].reshape(-1, 1).double()
    split = split_by_episode(episode, test=0.3)
    score = fit_probe(LogisticProbe(5, 3), x, targets=shuffled, split=split, kind="class")
    assert score.accuracy is not None
    share, trials = 1 / 3, 27  # an episode is about one observation
    assert score.accuracy < share + 5 * math.sqrt(share * (1 - share) / trials)


def test_probabilities_are_calibrated_where_the_model_is_right() -> None:
    source = torch.Generator().manual_seed(3)
    x = torch.randn(20_000, 2, generator=source, dtype=torch.float64)
    chance = torch.sigmoid(1.5 * x[:, 0] - 0.5)
    y = torch.nn.functional.one_hot((torch.rand(20_000, generator=source) < chance).long(), 2).double()
    probe = LogisticProbe(2, 2, penalties=(1e-8,)).fit(x, y)
    assert float((probe(x)[:, 1] - chance).abs().mean()) < 0.02
    assert math.isclose(log_loss(y.numpy(), probe(x).numpy()), float(-(y * probe(x).log()).sum(1).mean()))
    assert np.allclose(probe(x).sum(1), 1)


def test_what_is_no_class_is_refused() -> None:
    x = torch.randn(30, 2, generator=torch.Generator().manual_seed(0))
    split = split_by_episode(torch.arange(10).repeat_interleave(3))
    for values in (torch.full((30, 1), 0.5), torch.full((30, 1), -1.0), torch.ones(30, 2)):
        with pytest.raises(ShapeError, match="class number"):
            fit_probe(LogisticProbe(2, 2), x, targets=values, split=split, kind="class")
    with pytest.raises(ConfigError, match="probabilities"):
        LogisticProbe(2, 2, penalties=(1.0,)).fit(x, x)
