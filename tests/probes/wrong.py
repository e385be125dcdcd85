"""Mistakes that the checks of this room must notice."""

import dataclasses

import torch

from leworld.probes import EpisodeSplit, RidgeProbe, split_by_episode
from leworld.probes._score import score_predictions


def ours(penalties, task, *, validation=None):
    probe = RidgeProbe(task.train[0].shape[1], 3, penalties=penalties)
    held = task.validation if validation is None else validation
    return probe.fit(*task.train, validation_embeddings=held[0], validation_targets=held[1])


class _Linear:
    """A probe that someone fitted in another way."""

    def __init__(self, weight, bias, penalty):
        self.weight, self.bias, self.penalty = weight, bias, torch.tensor(penalty, dtype=torch.float64)

    def predict(self, x):
        return x @ self.weight + self.bias


def _refit(penalties, task, *, count=True, centre=True, standardise=False):
    """Ridge with a step left out or added; picks the penalty as ours does."""
    penalty = float(ours(penalties, task).penalty)
    x, y = task.train
    x_mean = x.mean(0) if centre else torch.zeros_like(x.mean(0))
    centred = x - x_mean
    scale = (x - x.mean(0)).square().mean().sqrt()
    if standardise:
        scale = (x - x.mean(0)).std(0, correction=0)
    features = centred / scale
    y_mean, y_std = y.mean(0), y.std(0, correction=0)
    ridge = penalty * (len(x) if count else 1) * torch.eye(x.shape[1], dtype=x.dtype)
    weight = torch.linalg.solve(features.T @ features + ridge, features.T @ ((y - y_mean) / y_std))
    weight = weight * y_std / (scale[:, None] if standardise else scale)
    return _Linear(weight, y_mean - x_mean @ weight, penalty)


def _penalised_intercept(penalties, task):
    penalty = float(ours(penalties, task).penalty)
    x, y = task.train
    scale = (x - x.mean(0)).square().mean().sqrt()
    features = torch.cat([(x - x.mean(0)) / scale, torch.ones(len(x), 1, dtype=x.dtype)], dim=1)
    ridge = penalty * len(x) * torch.eye(features.shape[1], dtype=x.dtype)
    y_std = y.std(0, correction=0)
    weight = torch.linalg.solve(features.T @ features + ridge, features.T @ (y / y_std)) * y_std
    slope = weight[:-1] / scale
    return _Linear(slope, weight[-1] - x.mean(0) @ slope, penalty)


PROBES = {
    "penalty chosen on the training samples": lambda p, t: ours(p, t, validation=t.train),
    "largest penalty": lambda p, t: ours((max(p),), t),
    "smallest penalty": lambda p, t: ours((min(p),), t),
    "penalty not per sample": lambda p, t: _refit(p, t, count=False),
    "embeddings not centred": lambda p, t: _refit(p, t, centre=False),
    "every component rescaled": lambda p, t: _refit(p, t, standardise=True),
    "intercept penalised": _penalised_intercept,
}


def _changed(change):
    return lambda predicted, targets, std: change(score_predictions(predicted, targets, std))


SCORES = {
    "targets and predictions swapped": lambda p, t, s: score_predictions(t, p, s),
    "mse in the targets' units": lambda p, t, s: score_predictions(p, t, torch.ones_like(s)),
    "std for variance": lambda p, t, s: score_predictions(p, t, s.sqrt()),
    "r2 is r squared": _changed(lambda s: dataclasses.replace(s, r2=tuple(r * r for r in s.pearson))),
    "rmse without the root": _changed(lambda s: dataclasses.replace(s, rmse=tuple(e * e for e in s.rmse))),
    "first dimension for all": _changed(lambda s: dataclasses.replace(s, r2=s.r2[:1] * 3)),
}


def _by_sample(episode, *, validation, test, seed):
    order = torch.randperm(len(episode), generator=torch.Generator().manual_seed(seed))
    first, second = int(validation * len(order)), int((validation + test) * len(order))
    return EpisodeSplit(train=order[second:], validation=order[:first], test=order[first:second])


def _by_position(episode, *, validation, test, seed):
    order = episode.flip(0) if seed % 2 else episode
    return split_by_episode(order, validation=validation, test=test, seed=int(order[0]))


SPLITS = {
    "by sample": _by_sample,
    "seed ignored": lambda e, *, validation, test, seed: split_by_episode(
        e, validation=validation, test=test
    ),
    "test episodes also trained on": lambda e, **o: dataclasses.replace(
        split_by_episode(e, **o),
        train=torch.cat([split_by_episode(e, **o).train, split_by_episode(e, **o).test]),
    ),
    "validation is the test part": lambda e, **o: dataclasses.replace(
        split_by_episode(e, **o), validation=split_by_episode(e, **o).test
    ),
    "depends on the order of samples": _by_position,
}
