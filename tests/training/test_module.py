"""The LightningModule: losses as a function of the step, the schedule, its numbers, other Trainers."""

import copy
import csv
import io
import json
import math
from itertools import pairwise

import pytest
import torch
from lightning.pytorch import Trainer
from torch import nn
from torch.utils.data import DataLoader

from leworld.data import Windows
from leworld.errors import ConfigError
from leworld.metrics import effective_rank
from leworld.models import LeWM, Losses, WorldModel, model_batch
from leworld.regularizers import SIGReg
from leworld.training import OptimizerSettings, WorldModelModule, train
from leworld.training._identity import module_identity
from leworld.training._optimizer import scheduled_adamw
from tests.training.tiny import tiny_model, tiny_settings, tiny_windows


@pytest.fixture
def raw():
    return tiny_windows().__getitems__(list(range(16)))


def test_losses_depend_on_the_step_and_not_on_history(raw):
    model = tiny_model()
    for weight in model.predictor.parameters():  # its gates start at zero, which hides dropout
        torch.nn.init.normal_(weight)
    module = WorldModelModule(model, settings=tiny_settings())
    before = torch.get_rng_state()
    first = module.losses(raw, step=4)
    assert torch.equal(torch.get_rng_state(), before)
    other = module.losses(raw, step=5)
    torch.rand(3)
    again = module.losses(raw, step=4)
    assert first.logged == again.logged
    assert first.logged["prediction"] != other.logged["prediction"]  # another dropout mask
    assert first.logged["regularizer"] != other.logged["regularizer"]  # other directions


def test_the_loss_is_the_models(raw):
    model = tiny_model(dropout=0.0)
    module = WorldModelModule(model, settings=tiny_settings())
    losses = module.losses(raw, step=0)
    alone = model.loss(model_batch(model, raw)).terms["prediction"]
    torch.testing.assert_close(losses.terms["prediction"], alone)
    torch.testing.assert_close(losses.total, alone + 0.05 * losses.values["regularizer"])


def test_the_schedule_rises_linearly_and_falls_as_a_half_cosine():
    chosen = OptimizerSettings(learning_rate=2.0, warmup_fraction=0.1)
    rates = [chosen.learning_rate_at(step, num_steps=100) for step in range(100)]
    assert rates[:10] == pytest.approx([0.2 * (step + 1) for step in range(10)])
    assert rates[55] == pytest.approx(1.0 + math.cos(math.pi * 0.5))
    assert all(a >= b for a, b in pairwise(rates[9:]))
    assert rates[-1] < 2e-3


def six_steps(layer: nn.Module, optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    for step in range(6):
        generator = torch.Generator().manual_seed(step)
        optimizer.zero_grad()
        images = torch.randn(2, 3, 8, 8, generator=generator, dtype=torch.float32)
        layer(images.contiguous(memory_format=torch.channels_last)).square().sum().backward()
        optimizer.step()
    return [parameter.detach() for parameter in layer.parameters()]


@pytest.mark.parametrize(
    ("precision", "layout", "fused"),
    [
        ("32-true", torch.contiguous_format, True),
        ("16-mixed", torch.contiguous_format, None),
        ("32-true", torch.channels_last, None),
    ],
)
def test_the_optimizer_is_adamw_whichever_pass_it_takes(precision, layout, fused):
    layer = nn.Conv2d(3, 4, 3, dtype=torch.float32)
    layer = layer.to(memory_format=layout)  # type: ignore[call-overload]
    twin = copy.deepcopy(layer)
    chosen = OptimizerSettings(learning_rate=0.05, weight_decay=0.1)
    settings = tiny_settings(precision=precision, optimizer=chosen)
    optimizer = scheduled_adamw(layer.parameters(), settings)["optimizer"]
    optimizer.param_groups[0]["lr"] = 0.05  # the schedule's beginning is another matter
    assert optimizer.param_groups[0]["fused"] is fused
    plain = torch.optim.AdamW(twin.parameters(), lr=0.05, weight_decay=0.1, foreach=False, fused=False)
    for ours, due in zip(six_steps(layer, optimizer), six_steps(twin, plain), strict=True):
        torch.testing.assert_close(ours, due, atol=1e-6, rtol=1e-5)


def test_the_log_holds_what_it_says(tmp_path):
    model = tiny_model(dropout=0.0)
    settings = tiny_settings(num_steps=3, log_every=1, optimizer=OptimizerSettings(learning_rate=1e-30))
    train(model, tiny_windows(), folder=tmp_path, settings=settings, progress=False)
    lines = (tmp_path / "metrics.csv").read_text().splitlines()
    columns = lines[0].split(",")
    assert columns[:2] == ["step", "loss"]
    assert {"prediction", "regularizer", "learning_rate", "collapsing"} < set(columns)
    assert len(lines) == 4
    row = dict(zip(columns, map(float, lines[3].split(",")), strict=True))
    from leworld.training._stream import WindowStream

    fresh = tiny_model(dropout=0.0)  # the weights have not moved
    raw = WindowStream(tiny_windows(), 16, seed=0)[2]
    embeddings = fresh.encode(model_batch(fresh, raw).observations).detach()
    rows = embeddings.flatten(0, 1)
    copying = (embeddings[:, 1:] - embeddings[:, :-1]).square().mean()
    assert row["step"] == 3
    assert row["embedding_std"] == pytest.approx(float(rows.std(0).mean()), rel=1e-4)
    assert row["effective_rank"] == pytest.approx(float(effective_rank(rows, center=True)), rel=1e-4)
    centred = embeddings - embeddings.mean(dim=1, keepdim=True)
    share = centred.square().sum() / (rows - rows.mean(dim=0)).square().sum()
    assert row["within_window_share"] == pytest.approx(float(share), rel=1e-4)
    assert row["prediction_over_copy"] == pytest.approx(row["prediction"] / float(copying), rel=1e-4)
    assert row["loss"] == pytest.approx(row["prediction"] + 0.05 * row["regularizer"], rel=1e-4)
    assert list((tmp_path / "tensorboard").glob("events.*"))


def test_it_works_with_a_plain_trainer_and_loader(tmp_path):
    windows = tiny_windows()
    loader = DataLoader(windows, batch_size=16, collate_fn=Windows.collate)
    model = tiny_model()
    before = model.encoder.output.weight.detach().clone()
    trainer = Trainer(
        max_steps=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    with pytest.warns():  # Lightning's advice on workers, and a deprecation inside it
        trainer.fit(WorldModelModule(model, settings=tiny_settings(log_every=1)), loader)
    assert not torch.equal(before, model.encoder.output.weight)


def test_training_lowers_the_prediction_error_and_learns_to_use_actions(tmp_path):
    settings = tiny_settings(
        num_steps=80, batch_size=64, save_every=500, optimizer=OptimizerSettings(learning_rate=5e-3)
    )
    train(tiny_model(0.01, dropout=0.0), tiny_windows(), folder=tmp_path, settings=settings, progress=False)
    header, *rows = [line.split(",") for line in (tmp_path / "metrics.csv").read_text().splitlines()]
    over_copy = [float(row[header.index("prediction_over_copy")]) for row in rows]
    assert over_copy[-1] < 0.5 * over_copy[0]


def test_a_part_that_no_file_can_hold_is_trained_and_tells_runs_apart(tmp_path):
    class Halved(nn.Module):
        def __init__(self, regularizer):
            super().__init__()
            self.regularizer = regularizer

        def forward(self, embeddings, *, generator=None):
            return self.regularizer(embeddings, generator=generator) / 2

    def model(regularizer):
        plain = tiny_model()
        made = LeWM(**{**dict(plain.named_children()), "regularizer": regularizer})
        made.processor = plain.processor
        return made

    options = {
        "folder": tmp_path,
        "settings": tiny_settings(num_steps=2, must_save=False),
        "progress": False,
    }
    train(model(Halved(SIGReg(8))), tiny_windows(), **options)
    train(model(Halved(SIGReg(8))), tiny_windows(), **options)
    with pytest.raises(ConfigError, match="resumes the run"):
        train(model(SIGReg(8)), tiny_windows(), **options)


class Counting(WorldModel):
    """Has no prediction, and in its every tenth step a term more."""

    history_size, latent_shape, action_dim = 2, (3,), 4

    dies_at = -1

    def __init__(self, name: str = "energy") -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.layer = nn.Linear(3, 3)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.name = name
        self.processor = tiny_model().processor

    def _encode(self, observations):
        return self.layer(observations.mean((3, 4)))

    def _predict(self, latents, actions):
        return latents

    def _loss(self, batch, generator):
        latents = self._encode(batch.observations)
        self.steps += 1
        if int(self.steps) == self.dies_at:
            raise KeyboardInterrupt
        terms = {self.name: latents.square().mean()}
        if int(self.steps) % 10 == 0:
            terms["rare"] = latents.mean().abs()
        return Losses(terms, latents=latents.detach())


def test_the_identity_of_a_model_leaves_its_processor_to_the_data():
    assert "processor" not in json.dumps(module_identity(Counting()))


@pytest.mark.parametrize("dies_at", [6, 9, 13, 18])
def test_a_term_of_some_steps_is_a_column_resumed_or_not(tmp_path, dies_at, monkeypatch):
    def logged(folder, model):
        options = {"settings": tiny_settings(must_save=False), "progress": False}
        train(model, tiny_windows(), folder=folder, **options)
        return (folder / "metrics.csv").read_text()

    whole = logged(tmp_path / "whole", Counting())
    rows = list(csv.DictReader(io.StringIO(whole)))
    assert [row["step"] for row in rows] == ["5", "10", "15", "20"]
    assert [row["rare"] == "nan" for row in rows] == [True, False, True, False]
    for row in rows:
        parts = float(row["energy"]) + (0 if row["rare"] == "nan" else float(row["rare"]))
        assert float(row["loss"]) == pytest.approx(parts, rel=1e-4)

    monkeypatch.setattr(Counting, "dies_at", dies_at)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        logged(tmp_path / "cut", Counting())
    monkeypatch.undo()
    assert logged(tmp_path / "cut", Counting()) == whole


@pytest.mark.parametrize("name", ["loss", "step", "epoch", "learning_rate", "collapsing"])
def test_a_term_called_like_a_number_of_the_log_is_refused(tmp_path, name):
    options = {"settings": tiny_settings(must_save=False), "progress": False}
    with pytest.raises(ConfigError, match=f"returned `{name}`"):
        train(Counting(name), tiny_windows(), folder=tmp_path, **options)


def test_a_model_that_does_not_fit_its_windows_is_refused():
    with pytest.raises(ConfigError, match="history_size"):
        WorldModelModule(tiny_model(), tiny_windows(1))
    with pytest.raises(ConfigError, match="frameskip"):
        WorldModelModule(tiny_model(), tiny_windows(frameskip=1))


def test_mixed_precision_trains(tmp_path):
    settings = tiny_settings(num_steps=2, precision="bf16-mixed")
    model = train(tiny_model(), tiny_windows(), folder=tmp_path, settings=settings, progress=False)
    assert all(bool(value.isfinite().all()) for value in model.state_dict().values())
