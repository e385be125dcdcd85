"""What a ridge probe and a split by episode must satisfy, with scikit-learn as the independent oracle."""

import math
from typing import NamedTuple

import numpy as np
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_squared_error, r2_score


class Task(NamedTuple):
    """Embeddings with an offset and very different scales, targets with a linear and a hidden part."""

    train: tuple[torch.Tensor, torch.Tensor]
    validation: tuple[torch.Tensor, torch.Tensor]
    test: tuple[torch.Tensor, torch.Tensor]


def make_task(seed: int = 0, *, noise: float = 1.0, dim: int = 6, train: int = 120) -> Task:
    source = torch.Generator().manual_seed(seed)
    count = train + 100
    scales = torch.logspace(-2, 1, dim, dtype=torch.float64)
    x = torch.randn(count, dim, generator=source, dtype=torch.float64) * scales + 3.0
    mix = torch.randn(dim, 3, generator=source, dtype=torch.float64)
    y = (x / scales) @ mix + (x[:, :1] - 3.0) ** 2
    y = y + noise * torch.randn(count, 3, generator=source, dtype=torch.float64)
    y = y * torch.tensor([1.0, 100.0, 0.01]) + torch.tensor([0.0, -500.0, 7.0])
    held = train + 50
    return Task((x[:train], y[:train]), (x[train:held], y[train:held]), (x[held:], y[held:]))


class Oracle:
    """The documented objective, solved by scikit-learn."""

    def __init__(self, task: Task, penalty: float) -> None:
        x, y = (tensor.numpy() for tensor in task.train)
        self.x_mean, self.scale = x.mean(0), math.sqrt(x.var(0).mean())
        self.y_mean, self.y_std = y.mean(0), y.std(0)
        features, answers = (x - self.x_mean) / self.scale, (y - self.y_mean) / self.y_std
        self.ridge = Ridge(alpha=penalty * len(x), fit_intercept=True).fit(features, answers)

    def standardised(self, x: torch.Tensor) -> np.ndarray:
        return self.ridge.predict((x.numpy() - self.x_mean) / self.scale)

    def predict(self, x: torch.Tensor) -> np.ndarray:
        return self.standardised(x) * self.y_std + self.y_mean

    def error(self, x: torch.Tensor, y: torch.Tensor) -> float:
        return mean_squared_error((y.numpy() - self.y_mean) / self.y_std, self.standardised(x))


def check_probe(make) -> None:
    """`make(penalties, task)` returns a fitted probe."""
    task = make_task()
    for penalty in (1e-6, 1e-2, 0.3, 10.0):
        probe, oracle = make((penalty,), task), Oracle(task, penalty)
        predicted = probe.predict(task.test[0]).numpy()
        assert np.allclose(predicted, oracle.predict(task.test[0]), rtol=1e-6, atol=1e-6)
    # The penalty is the one of least validation error, even where training and test prefer another.
    grid = (1e-6, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
    for dim, seed in ((10, 2), (10, 4), (30, 0), (30, 1)):
        task = make_task(seed, noise=6.0, dim=dim, train=40)
        errors = [Oracle(task, penalty).error(*task.validation) for penalty in grid]
        best = grid[int(np.argmin(errors))]
        assert best not in (grid[0], grid[-1])  # the task must be able to tell
        probe, oracle = make(grid, task), Oracle(task, best)
        assert float(probe.penalty) == best
        assert np.allclose(probe.predict(task.test[0]), oracle.predict(task.test[0]), rtol=1e-6, atol=1e-6)


def check_score(score) -> None:
    """`score(predicted, targets, target_std)` returns a ProbeScore."""
    source = torch.Generator().manual_seed(3)
    targets = torch.randn(50, 3, generator=source, dtype=torch.float64) * torch.tensor([1.0, 10.0, 0.1]) + 5.0
    noise = torch.randn(50, 3, generator=source, dtype=torch.float64)
    predicted = 0.7 * targets + 0.3 + noise * torch.tensor([0.2, 5.0, 0.3])
    std = torch.tensor([2.0, 5.0, 0.1], dtype=torch.float64)
    result = score(predicted, targets, std)
    truth, guess = targets.numpy(), predicted.numpy()
    assert np.allclose(result.r2, r2_score(truth, guess, multioutput="raw_values"), atol=1e-12)
    mse = mean_squared_error(truth, guess, multioutput="raw_values")
    assert np.allclose(result.rmse, np.sqrt(mse), rtol=1e-12)
    assert np.allclose(result.mse, mse / std.numpy() ** 2, rtol=1e-12)
    pearson = [np.corrcoef(truth[:, i], guess[:, i])[0, 1] for i in range(3)]
    assert np.allclose(result.pearson, pearson, atol=1e-12)
    assert result.num_samples == 50
    assert math.isclose(result.mean_r2, sum(result.r2) / 3)
    assert math.isclose(result.mean_pearson, sum(pearson) / 3)
    assert math.isclose(result.mean_mse, sum(result.mse) / 3)


def check_split(split) -> None:
    lengths = torch.arange(3, 23)
    episode = torch.arange(100, 120).repeat_interleave(lengths)
    for seed in range(5):
        parts = split(episode, validation=0.1, test=0.2, seed=seed)
        rows = [parts.train, parts.validation, parts.test]
        # Every sample once, every episode in one part, and the asked number of episodes in each.
        assert torch.equal(torch.cat(rows).sort().values, torch.arange(len(episode)))
        groups = [set(episode[part].tolist()) for part in rows]
        assert [len(group) for group in groups] == [14, 2, 4]
        assert not groups[0] & groups[1]
        assert not groups[0] & groups[2]
        assert not groups[1] & groups[2]
    # The seed decides, and it does not depend on the order of samples.
    once, again = (split(episode, validation=0.1, test=0.2, seed=1) for _ in range(2))
    other = split(episode, validation=0.1, test=0.2, seed=2)
    assert torch.equal(once.test, again.test)
    assert set(episode[once.test].tolist()) != set(episode[other.test].tolist())
    flipped = split(episode.flip(0), validation=0.1, test=0.2, seed=1)
    assert set(episode.flip(0)[flipped.test].tolist()) == set(episode[once.test].tolist())
