"""What every probe keeps: it learns, it is a function of samples and generator, it survives a save."""

import math
from functools import cache

import pytest
import torch

from leworld.probes import (
    AttentiveProbe,
    KNNProbe,
    LinearProbe,
    MLPProbe,
    Probe,
    RidgeProbe,
    split_by_episode,
)

QUICK = {"batch_size": 64, "max_epochs": 25}
MAKERS = {
    "ridge": lambda dim, target: RidgeProbe(dim, target),
    "linear": lambda dim, target: LinearProbe(dim, target, learning_rate=0.05, **QUICK),
    "mlp": lambda dim, target: MLPProbe(dim, target, hidden_dim=32, **QUICK),
    "attentive": lambda dim, target: AttentiveProbe(dim, target, hidden_dim=32, **QUICK),
    "knn": lambda dim, target: KNNProbe(dim, target),
}
TRAINED = ("linear", "mlp", "attentive")


def task(name: str, *, seed: int = 0, count: int = 600):
    source = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 3, generator=source)
    y = x[:, :2] * torch.tensor([30.0, 0.01]) + torch.tensor([100.0, -5.0])
    x = x * 4.0 + 7.0
    return (x[:, None].repeat(1, 2, 1) if name == "attentive" else x), y


@cache
def standard(name: str, seed: int = 0) -> Probe:
    return fitted(name, *task(name), seed=seed)


def fitted(name: str, x: torch.Tensor, y: torch.Tensor, *, seed: int = 0) -> Probe:
    held = {"validation_embeddings": x[400:500], "validation_targets": y[400:500]}
    source = torch.Generator().manual_seed(seed)
    return MAKERS[name](x.shape[-1], y.shape[1]).fit(x[:400], y[:400], generator=source, **held)


@pytest.mark.parametrize("name", MAKERS)
def test_it_finds_what_is_there_in_the_targets_own_units(name: str) -> None:
    x, y = task(name)
    probe = standard(name)
    score = probe.score(x[500:], y[500:])
    assert min(score.r2) > (0.8 if name == "knn" else 0.97)
    assert probe(x[500:]).dtype == torch.float64
    assert abs(float(probe(x[500:]).mean(0)[0]) - 100.0) < 10.0


@pytest.mark.parametrize("name", MAKERS)
def test_samples_and_generator_decide_and_nothing_global(name: str) -> None:
    x, y = task(name)
    first = standard(name)
    state = torch.get_rng_state()
    again = fitted(name, x, y)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first(x), again(x))
    other = standard(name, 1)
    assert torch.equal(first(x), other(x)) == (name not in TRAINED)


@pytest.mark.parametrize("name", MAKERS)
def test_a_saved_probe_predicts_the_same(name: str) -> None:
    x, y = task(name)
    probe = standard(name)
    fresh = MAKERS[name](3, 2)
    fresh.load_state_dict(probe.state_dict())
    assert torch.equal(fresh(x), probe(x))
    assert fresh.score(x[500:], y[500:]) == probe.score(x[500:], y[500:])


@pytest.mark.parametrize("name", MAKERS)
def test_leading_axes_pass_through(name: str) -> None:
    x = task(name)[0]
    probe = standard(name)
    many = x[:12].unflatten(0, (3, 4))
    assert probe(many).shape == (3, 4, 2)
    assert torch.allclose(probe(many).flatten(0, 1), probe(x[:12]), rtol=1e-5)


@pytest.mark.parametrize("name", MAKERS)
def test_a_collapsed_embedding_knows_nothing(name: str) -> None:
    x, y = task(name)
    score = fitted(name, torch.full_like(x, 0.3), y).score(torch.full_like(x[500:], 0.3), y[500:])
    assert max(score.r2) <= 1e-9
    assert min(score.r2) > -0.3


@pytest.mark.parametrize("name", ["ridge", "linear", "mlp", "knn"])
def test_labels_shuffled_by_episode_are_not_learned(name: str) -> None:
    source = torch.Generator().manual_seed(3)
    episode = torch.arange(200).repeat_interleave(3)
    x = torch.randn(200, 4, generator=source)[episode] + 0.05 * torch.randn(600, 4, generator=source)
    y = x[:, :1].reshape(200, 3)[torch.randperm(200, generator=source)].reshape(-1, 1)
    split = split_by_episode(episode, test=0.3)
    probe = MAKERS[name](4, 1).fit(
        x[split.train],
        y[split.train],
        validation_embeddings=x[split.validation],
        validation_targets=y[split.validation],
    )
    assert probe.score(x[split.test], y[split.test]).mean_r2 < 0.1


@pytest.mark.parametrize("name", TRAINED)
def test_it_stops_early_and_keeps_the_best_weights(name: str) -> None:
    source = torch.Generator().manual_seed(5)
    x, y = torch.randn(60, 20, generator=source), torch.randn(60, 1, generator=source)
    if name == "attentive":
        x = x[:, None]
    held = {"validation_embeddings": x[30:], "validation_targets": y[30:]}
    kinds = {"linear": LinearProbe, "mlp": MLPProbe, "attentive": AttentiveProbe}
    probe = kinds[name](20, 1, patience=3).fit(x[:30], y[:30], **held)
    endless = kinds[name](20, 1, patience=10_000, max_epochs=40).fit(x[:30], y[:30], **held)
    # Pure noise: whatever is fitted beyond the best epoch makes the validation error worse.
    start = float(((y[30:] - y[:30].mean()) / y[:30].std(correction=0)).square().mean())
    assert probe.score(x[30:], y[30:]).mean_mse <= start + 1e-6
    assert endless.score(x[30:], y[30:]).mean_mse <= probe.score(x[30:], y[30:]).mean_mse + 1e-6


def test_attention_finds_the_token_that_counts() -> None:
    source = torch.Generator().manual_seed(4)
    marked = torch.randint(6, (1500,), generator=source)
    value = torch.randn(1500, 6, 1, generator=source)
    mark = 3.0 * torch.nn.functional.one_hot(marked, 6).float()[..., None]
    tokens = torch.cat([value, mark], dim=2)
    target = value[torch.arange(1500), marked]
    probe = AttentiveProbe(2, 1, hidden_dim=32, batch_size=128, max_epochs=30, learning_rate=0.02).fit(
        tokens[:1200],
        target[:1200],
        validation_embeddings=tokens[1200:1350],
        validation_targets=target[1200:1350],
    )
    assert probe.score(tokens[1350:], target[1350:]).mean_r2 > 0.95
    # The order of tokens does not matter, and a mean over tokens could not know.
    assert torch.allclose(probe(tokens.flip(1)), probe(tokens), atol=1e-4)
    assert math.isclose(float(tokens[1350:, :, 0].mean(1).std()) ** 2, 1 / 6, rel_tol=0.3)
