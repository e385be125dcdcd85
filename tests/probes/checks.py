"""What a ridge probe and a split by episode must satisfy, with scikit-learn as the independent oracle."""

import math
from typing import NamedTuple

import numpy as np
import torch
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import log_loss, mean_squared_error, r2_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor


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


def three_classes(spread: float = 1.0) -> tuple[torch.Tensor, torch.Tensor, torch.Generator]:
    """Embeddings (360, 5) far from 0 around three centres, 4 samples an episode, their class and a source."""
    source = torch.Generator().manual_seed(7)
    labels = torch.randint(3, (90,), generator=source).repeat_interleave(4)
    centres = 1.5 * torch.randn(3, 5, generator=source, dtype=torch.float64)
    noise = spread * torch.randn(360, 5, generator=source, dtype=torch.float64)
    return 20.0 + 3.0 * (centres[labels] + noise), labels, source


def check_logistic(make) -> None:
    """`make(penalties, dim, classes)` returns a probe to fit; scikit-learn solves the documented problem."""
    x, labels, _ = three_classes(spread=1.5)  # with which the middle penalty is the best
    onehot = torch.nn.functional.one_hot(labels, 3).double()
    train, held, test = slice(0, 200), slice(200, 280), slice(280, 360)
    mean, scale = x[train].mean(0).numpy(), math.sqrt(x[train].numpy().var(0).mean())

    def oracle(penalty: float, part: slice) -> np.ndarray:
        model = LogisticRegression(C=1 / (penalty * 200), tol=1e-12, max_iter=10_000)
        model.fit((x[train].numpy() - mean) / scale, labels[train].numpy())
        return model.predict_proba((x[part].numpy() - mean) / scale)

    losses = {}
    for penalty in (1e-4, 1e-2, 1.0):
        probe = make((penalty,), 5, 3).fit(x[train], onehot[train])
        assert np.allclose(probe(x[test]).numpy(), oracle(penalty, test), atol=1e-6)
        losses[penalty] = log_loss(labels[held].numpy(), oracle(penalty, held))
    chosen = make(tuple(losses), 5, 3).fit(
        x[train], onehot[train], validation_embeddings=x[held], validation_targets=onehot[held]
    )
    best = min(losses, key=lambda penalty: losses[penalty])
    assert float(chosen.penalty) == best
    assert np.allclose(chosen(x[test]).numpy(), oracle(best, test), atol=1e-6)


def check_knn(make) -> None:
    """`make(num_neighbors)` returns a probe of 5 components and 2 targets to fit."""
    source = torch.Generator().manual_seed(1)
    x = torch.randn(300, 5, generator=source) * torch.tensor([1.0, 1.0, 1.0, 1.0, 3.0])
    y = x[:, :2] + 0.5 * torch.randn(300, 2, generator=source)
    errors = {}
    for count in (1, 6, 60):
        probe = make((count,)).fit(x[:200], y[:200])
        theirs = KNeighborsRegressor(count).fit(x[:200].double(), y[:200].double())
        guess = theirs.predict(x[200:].double())
        assert np.allclose(probe(x[200:]).numpy(), guess, atol=1e-6)
        std = y[:200].double().numpy().std(0)
        errors[count] = (((guess[:50] - y[200:250].numpy()) / std) ** 2).mean()
    assert min(errors, key=lambda k: errors[k]) == 6  # the task must be able to tell
    chosen = make((1, 6, 60)).fit(
        x[:200], y[:200], validation_embeddings=x[200:250], validation_targets=y[200:250]
    )
    assert int(chosen.chosen) == min(errors, key=lambda k: errors[k])
    # Votes: shares of classes among the neighbours are scikit-learn's probabilities.
    labels = (x[:, 0] + 0.3 * torch.randn(300, generator=source) > 0).long()
    shares = make((7,)).fit(x[:200], torch.nn.functional.one_hot(labels, 2)[:200].float())(x[200:])
    votes = KNeighborsClassifier(7).fit(x[:200].double(), labels[:200]).predict_proba(x[200:].double())
    assert np.allclose(shares.numpy(), votes, atol=1e-6)


def check_trained(make) -> None:
    """`make(dim, target)` returns a linear probe trained by descent: held-out R2 is that of least squares."""
    source = torch.Generator().manual_seed(2)
    x = torch.randn(900, 6, generator=source) * torch.logspace(-1, 1, 6) + 5.0
    y = (x - 5.0) / torch.logspace(-1, 1, 6) @ torch.randn(6, 2, generator=source)
    y = 40.0 * (y + torch.randn(900, 2, generator=source)) - 300.0
    state = torch.get_rng_state()
    held = {"validation_embeddings": x[600:750], "validation_targets": y[600:750]}
    probe = make(6, 2).fit(x[:600], y[:600], **held)
    assert torch.equal(torch.get_rng_state(), state)
    theirs = LinearRegression().fit(x[:600], y[:600])
    ours = r2_score(y[750:], probe(x[750:]))
    assert abs(ours - r2_score(y[750:], theirs.predict(x[750:]))) < 0.01
    # Pure noise: the weights kept are no worse on validation samples than the mean of the training targets.
    noise = torch.randn(900, 2, generator=source)
    quiet = make(6, 2).fit(
        x[:60], noise[:60], validation_embeddings=x[60:90], validation_targets=noise[60:90]
    )
    gap = (noise[60:90] - noise[:60].mean(0)) / noise[:60].std(0, correction=0)
    assert quiet.score(x[60:90], noise[60:90]).mean_mse <= float(gap.square().mean()) + 1e-6
    # Same samples, same generator, same weights.
    first, again = (make(6, 2).fit(x[:600], y[:600], **held)(x[750:]) for _ in range(2))
    assert torch.equal(first, again)
