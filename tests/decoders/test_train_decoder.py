"""Training on a frozen model: what is learned, what is left alone, and what a resumed run ends with."""

import copy

import pytest
import torch

from leworld.decoders import CrossAttentionDecoder
from leworld.errors import ConfigError
from leworld.metrics import psnr
from leworld.training import OptimizerSettings, TrainSettings, train_decoder
from tests.decoders.worlds import SIDE, DotModel, films


def settings(num_steps: int, **options) -> TrainSettings:
    return TrainSettings(
        **{
            "num_steps": num_steps,
            "batch_size": 16,
            "optimizer": OptimizerSettings(learning_rate=5e-3),
            "save_every": 5,
            **options,
        }
    )


def train(folder, num_steps: int = 10, *, model=None, **options) -> CrossAttentionDecoder:
    return train_decoder(
        DotModel() if model is None else model,
        films(),
        folder=folder,
        settings=options.pop("settings", settings(num_steps)),
        progress=False,
        accelerator="cpu",
        **options,
    )


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_it_draws_what_the_embedding_holds(tmp_path) -> None:
    model, seen, unseen = DotModel(), films(60), films(3, seed=1)
    fast = settings(200, batch_size=64, optimizer=OptimizerSettings(learning_rate=1e-2), save_every=200)
    decoder = train_decoder(model, seen, folder=tmp_path, settings=fast, progress=False, accelerator="cpu")
    truth = torch.from_numpy(unseen.pixels).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        drawn = decoder(model.encode(truth[:, None])[:, 0])
    mean = (torch.from_numpy(seen.pixels).permute(0, 3, 1, 2) / 255).mean(dim=0).expand_as(truth)
    assert psnr(drawn, truth).median() > psnr(mean, truth).median() + 8


def test_it_leaves_the_model_and_the_global_generator_alone(tmp_path) -> None:
    model = DotModel().train()
    before, state = copy.deepcopy(model), torch.get_rng_state()
    train(tmp_path, model=model)
    assert same(model, before)
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), state)


def test_it_starts_from_the_mean_frame(tmp_path) -> None:
    decoder = train(tmp_path, settings=settings(1, optimizer=OptimizerSettings(learning_rate=1e-9)))
    mean = torch.from_numpy(films().pixels).double().mean(dim=0).permute(2, 0, 1) / 255
    torch.testing.assert_close(decoder.background.double(), mean, atol=1e-6, rtol=0)
    assert (decoder.image_size, decoder.patch_size, decoder.training) == (SIDE, 2, False)


class Cut(Exception):
    pass


def test_a_killed_run_ends_with_the_same_weights(tmp_path, monkeypatch) -> None:
    whole = train(tmp_path / "whole")
    from leworld.training._decoder import _DecoderModule

    step, calls = _DecoderModule.training_step, []

    def dies(self, batch, batch_idx):
        calls.append(batch_idx)
        if len(calls) == 8:
            raise Cut
        return step(self, batch, batch_idx)

    monkeypatch.setattr(_DecoderModule, "training_step", dies)
    with pytest.raises(Cut):
        train(tmp_path / "cut")
    monkeypatch.setattr(_DecoderModule, "training_step", step)
    resumed = train(tmp_path / "cut")
    assert same(resumed, whole)
    # A finished run is loaded and not trained again; another seed is another run.
    monkeypatch.setattr(_DecoderModule, "training_step", dies)
    calls[:] = [0] * 7
    assert same(train(tmp_path / "cut"), whole)
    monkeypatch.setattr(_DecoderModule, "training_step", step)
    with pytest.raises(ConfigError, match="settings"):
        train(tmp_path / "cut", settings=settings(10, seed=1))
    assert not same(train(tmp_path / "cut", settings=settings(10, seed=1), resume=False), whole)


def test_it_trains_the_decoder_that_it_is_given(tmp_path) -> None:
    mine = CrossAttentionDecoder(2, SIDE, patch_size=8, hidden_dim=8, depth=1)
    before = copy.deepcopy(mine)
    assert train(tmp_path, decoder=mine) is mine
    assert not torch.equal(mine.queries, before.queries)
