"""Re-estimated statistics against the mean and variance of what each layer receives, computed by hand."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from leworld.data import Batch, Windows
from leworld.errors import ConfigError
from leworld.models import WorldModel, model_batch
from leworld.training import reestimate_batchnorm
from tests.training.tiny import fingerprint, tiny_model, tiny_windows


@pytest.fixture
def batches():
    model, windows = tiny_model(), tiny_windows()
    return [model_batch(model, windows.__getitems__(list(range(start, start + 30)))) for start in (0, 30, 60)]


def inputs_of(model, norm, batches):
    """Collect what `norm` receives in evaluation mode, by running the parts by hand."""
    seen = []
    handle = norm.register_forward_pre_hook(lambda _, args: seen.append(args[0].double()))
    with torch.no_grad():
        for batch in batches:
            embeddings = model.encode(batch.observations)
            model.predict(embeddings[:, :-1], batch.actions[:, :-1])
    handle.remove()
    return torch.cat(seen)


def test_statistics_are_those_of_the_inputs_in_evaluation_mode(batches):
    model = tiny_model().train()
    for _ in range(3):  # leave lagging running averages behind
        model.loss(batches[0])
    reestimate_batchnorm(model, batches)
    assert all(module.training for module in model.modules())
    model.eval()
    for norm in (model.projector.norm, model.prediction_projector.norm):
        inputs = inputs_of(model, norm, batches)
        assert inputs.shape[0] == (270 if norm is model.projector.norm else 180)
        torch.testing.assert_close(norm.running_mean.double(), inputs.mean(0), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(norm.running_var.double(), inputs.var(0), rtol=1e-5, atol=1e-6)


def test_layers_that_train_leaves_in_evaluation_mode_keep_their_statistics(batches, monkeypatch):
    model = tiny_model()
    frozen, measured = model.projector.norm, model.prediction_projector.norm
    monkeypatch.setattr(frozen, "train", lambda mode=True: nn.Module.train(frozen, False))
    frozen.running_mean.fill_(0.5)
    reestimate_batchnorm(model, batches)
    assert (frozen.running_mean == 0.5).all()
    assert (measured.running_mean != 0).all()


def test_plain_running_averages_would_fail_that_test(batches):
    model = tiny_model().train()
    for batch in batches:
        model.loss(batch)
    model.eval()
    inputs = inputs_of(model, model.projector.norm, batches)
    assert not torch.allclose(model.projector.norm.running_var.double(), inputs.var(0), rtol=1e-3)


def test_the_split_into_batches_does_not_matter(batches):
    joined = [
        Batch(
            *(torch.cat(parts) for parts in zip(*((b.observations, b.actions) for b in batches), strict=True))
        )
    ]
    one, other = tiny_model(), tiny_model()
    reestimate_batchnorm(one, batches)
    reestimate_batchnorm(other, joined)
    for name, value in one.state_dict().items():
        torch.testing.assert_close(value, other.state_dict()[name], rtol=1e-5, atol=1e-6)


def test_a_large_offset_costs_no_precision():
    class Offset(WorldModel):
        history_size, embedding_dim, action_dim = 1, 3, 2

        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(3)

        def _encode(self, observations):
            return self.norm(observations.mean(dim=(-2, -1)).flatten(0, 1) + 1e4).unflatten(
                0, observations.shape[:2]
            )

        def _predict(self, embeddings, actions):
            return embeddings

        def _loss(self, batch, generator):
            raise NotImplementedError

    generator = torch.Generator().manual_seed(0)
    batch = Batch(torch.randn(50, 2, 3, 1, 1, generator=generator), torch.zeros(50, 2, 2))
    model = Offset()
    reestimate_batchnorm(model, [batch])
    rows = (batch.observations.flatten(0, 1).flatten(1) + 1e4).double()
    torch.testing.assert_close(model.norm.running_var.double(), rows.var(0), rtol=1e-4, atol=0)


def test_dropout_is_off_while_measuring(batches):
    one, other = tiny_model(dropout=0.0), tiny_model(dropout=0.9)
    other.load_state_dict(one.state_dict())
    reestimate_batchnorm(one, batches)
    reestimate_batchnorm(other.train(), batches)
    assert torch.equal(
        one.prediction_projector.norm.running_mean, other.prediction_projector.norm.running_mean
    )


def test_a_generator_is_refused(batches):
    with pytest.raises(ConfigError, match="iterated"):
        reestimate_batchnorm(tiny_model(), (batch for batch in batches))


def test_windows_raw_batches_and_batches_give_the_same_statistics(batches):
    windows = tiny_windows()
    raw = [windows.__getitems__(list(range(start, start + 30))) for start in (0, 30, 60)]
    first, second, whole, drawn = (tiny_model() for _ in range(4))
    reestimate_batchnorm(first, batches)
    reestimate_batchnorm(second, raw)
    assert fingerprint(first) == fingerprint(second)
    reestimate_batchnorm(whole, windows)
    reestimate_batchnorm(
        drawn, DataLoader(windows, batch_size=len(windows), collate_fn=Windows.collate)
    )  # in another order
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(value, drawn.state_dict()[name], rtol=1e-4, atol=1e-5)


def test_the_draw_of_windows_follows_the_seed():
    models = [tiny_model() for _ in range(3)]
    for model, seed in zip(models, (0, 0, 1), strict=True):
        reestimate_batchnorm(model, tiny_windows(), num_windows=20, seed=seed)
    prints = [fingerprint(model) for model in models]
    assert prints[0] == prints[1] != prints[2]


def test_a_failure_leaves_the_statistics_as_they_were(batches):
    model = tiny_model()
    before = fingerprint(model)

    class Once(list):  # pyright: ignore[reportMissingTypeArgument]
        passes = 0

        def __iter__(self):
            self.passes += 1
            if self.passes == 3:  # the first layer has been measured
                raise OSError("the disk is gone")
            return super().__iter__()

    with pytest.raises(OSError, match="gone"):
        reestimate_batchnorm(model, Once(batches))
    assert fingerprint(model) == before
    assert all(part.training for part in model.modules())
