"""Mistakes that the checks of this room must notice."""

import dataclasses

import torch

from leworld.probes import EpisodeSplit, LinearProbe, LogisticProbe, RidgeProbe, split_by_episode
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


class _Logistic(torch.nn.Module):
    """Logistic regression with a step left out or added; `make` is what the check constructs."""

    def __init__(self, penalties, dim, classes, *, change):
        super().__init__()
        self.penalties, self.change, self.inner = penalties, change, None
        self.dim, self.classes = dim, classes

    def fit(self, x, y, **held):
        count = len(x)
        held_x, held_y = held.get("validation_embeddings"), held.get("validation_targets")
        penalties = self.penalties
        if self.change == "count":
            penalties = tuple(p / count for p in penalties)
        if self.change == "half":
            penalties = tuple(2 * p for p in penalties)
        if self.change == "largest":
            penalties = (max(penalties),)
        if self.change == "smallest":
            penalties = (min(penalties),)
        if self.change == "train" and held_x is not None:
            held = {"validation_embeddings": x, "validation_targets": y}
        steps = 3 if self.change == "stopped" else 500
        self.shift = x.std(0) if self.change == "rescaled" else torch.ones(self.dim)
        self.inner = LogisticProbe(self.dim, self.classes, penalties=penalties, max_iterations=steps)
        if held:
            held = {**held, "validation_embeddings": held["validation_embeddings"] / self.shift}
        self.inner.fit(x / self.shift, y, **held)
        chosen = float(self.inner.penalty)
        factor = {"count": float(count), "half": 0.5}.get(self.change, 1.0)
        self.penalty = torch.tensor(chosen * factor, dtype=torch.float64)
        del held_y
        return self

    def forward(self, x):
        guess = self.inner(x / self.shift)
        if self.change == "no intercept":
            guess = (guess.log() - self.inner.bias).softmax(-1)
        if self.change == "independent":
            logits = x @ self.inner.weight.T + self.inner.bias
            guess = logits.sigmoid() / logits.sigmoid().sum(-1, keepdim=True)
        return guess


LOGISTICS = {
    name: (lambda p, d, c, change=change: _Logistic(p, d, c, change=change))
    for name, change in {
        "penalty divided by the number of samples twice": "count",
        "penalty without its half": "half",
        "largest penalty": "largest",
        "smallest penalty": "smallest",
        "penalty chosen on the training samples": "train",
        "stopped after a few steps": "stopped",
        "every component rescaled": "rescaled",
        "no intercept": "no intercept",
        "one sigmoid a class": "independent",
    }.items()
}


class _Neighbours(torch.nn.Module):
    def __init__(self, numbers, *, change):
        super().__init__()
        self.numbers, self.change = numbers, change

    def fit(self, x, y, *, validation_embeddings=None, validation_targets=None):
        self.x, self.y = x.double(), y.double()
        self.mean, self.std = self.x.mean(0), self.x.std(0)
        errors = {}
        for number in self.numbers:
            self.chosen = torch.tensor(number)
            if validation_embeddings is not None:
                held = (x, y) if self.change == "train" else (validation_embeddings, validation_targets)
                errors[number] = float(((self(held[0]) - held[1]) / self.y.std(0)).square().mean())
        if errors:
            self.chosen = torch.tensor(min(errors, key=lambda k: errors[k]))
        if self.change == "largest":
            self.chosen = torch.tensor(max(self.numbers))
        return self

    def forward(self, x):
        rows, queries = self.x, x.double()
        if self.change == "standardised":
            rows, queries = ((r - self.mean) / self.std for r in (rows, queries))
        if self.change == "cosine":
            rows, queries = (torch.nn.functional.normalize(r, dim=-1) for r in (rows, queries))
        gap = torch.cdist(queries, rows, p=1.0 if self.change == "city blocks" else 2.0)
        count = int(self.chosen) + (self.change == "one more")
        near = gap.topk(count, dim=1, largest=self.change == "farthest")
        if self.change == "weighted":
            weight = 1 / near.values
            return (self.y[near.indices] * (weight / weight.sum(1, keepdim=True))[..., None]).sum(1)
        if self.change == "median":
            return self.y[near.indices].median(dim=1).values
        return self.y[near.indices].mean(dim=1)


NEIGHBOURS = {
    name: (lambda numbers, change=change: _Neighbours(numbers, change=change))
    for name, change in {
        "the farthest": "farthest",
        "one neighbour more": "one more",
        "components standardised": "standardised",
        "angles for distances": "cosine",
        "city blocks": "city blocks",
        "weighted by distance": "weighted",
        "median for mean": "median",
        "number chosen on the training samples": "train",
        "largest number": "largest",
    }.items()
}


class _Descent(torch.nn.Module):
    """A linear probe trained by full-batch descent, right where no mistake is named."""

    def __init__(self, dim, target, *, change):
        super().__init__()
        self.change, self.target = change, target
        self.inner = LinearProbe(dim, target, batch_size=128)

    def fit(self, x, y, *, validation_embeddings, validation_targets):
        change, source = self.change, None
        if change == "global":
            source = torch.Generator().manual_seed(int(torch.randint(2**31, ())))
        if change == "unlike":
            _Descent.runs += 1
            source = torch.Generator().manual_seed(_Descent.runs)
        if change == "last":
            last = LinearProbe(x.shape[1], self.target, patience=10**6, batch_size=8, learning_rate=0.2)
            self.inner = last.fit(x, y, validation_embeddings=x, validation_targets=y)
            return self
        if change == "shifted":
            y = y[torch.arange(len(y)).roll(1)]
        if change == "one epoch":
            self.inner = LinearProbe(x.shape[1], self.target, max_epochs=1, learning_rate=1e-4)
        self.inner.fit(
            x,
            y,
            validation_embeddings=validation_embeddings,
            validation_targets=validation_targets,
            generator=source,
        )
        return self

    runs = 0

    def forward(self, x):
        guess = self.inner(x)
        if self.change == "standard units":
            guess = (guess - self.inner.target_mean) / self.inner.target_std
        return guess

    def score(self, x, y):
        return self.inner.score(x, y)


TRAINED = {
    name: (lambda dim, target, change=change: _Descent(dim, target, change=change))
    for name, change in {
        "weights of the last epoch, stopped on the training samples": "last",
        "predictions in standard units": "standard units",
        "targets of the next sample": "shifted",
        "stopped after one timid epoch": "one epoch",
        "torch's global generator": "global",
        "another seed each time": "unlike",
    }.items()
}
