"""Callbacks, loggers and training steps of a user's own, and runs that go on with them."""

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import nn

from leworld.errors import ConfigError, MissingExtraError
from leworld.training import HeldOut, TrainingModule, WorldModelModule, train
from leworld.training._loggers import lightning_loggers
from tests.training.test_held_out import held_out
from tests.training.tiny import fingerprint, tiny_model, tiny_settings, tiny_windows


def run(folder: Path, model: Any = None, **options: Any) -> str:
    model = tiny_model() if model is None else model
    usual = {"settings": tiny_settings(), "progress": False}
    return fingerprint(train(model, tiny_windows(), folder=folder, **(usual | options)))


def cut(folder: Path, kind: type, monkeypatch: Any, **options: Any) -> None:
    losses = kind.losses

    def doomed(self, raw, *, step):
        if step == 12:
            raise RuntimeError("pulled plug")
        return losses(self, raw, step=step)

    with monkeypatch.context() as patch:
        patch.setattr(kind, "losses", doomed)
        with pytest.raises(RuntimeError, match="pulled plug"):
            run(folder, **options)


class Average(Callback):
    """Pulls the weights toward their slow average: changes the result, and remembers."""

    def __init__(self) -> None:
        self.slow: dict[str, torch.Tensor] = {}

    @torch.no_grad()
    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        for name, weight in pl_module.model.named_parameters():
            slow = self.slow.setdefault(name, weight.detach().clone())
            slow.lerp_(weight, 0.5)
            weight.lerp_(slow, 0.1)

    def state_dict(self) -> dict[str, Any]:
        return {"slow": self.slow}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.slow = state_dict["slow"]


class Forgetful(Average):
    """Does not say what it remembers."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        pass


@pytest.mark.parametrize(("kind", "same"), [(Average, True), (Forgetful, False)])
def test_what_a_callback_remembers_goes_on_with_the_run(kind, same, tmp_path, monkeypatch):
    due = run(tmp_path / "whole", callbacks=[kind()])
    cut(tmp_path / "cut", WorldModelModule, monkeypatch, callbacks=[kind()])
    assert (tmp_path / "cut" / "state.ckpt").exists()
    assert (run(tmp_path / "cut", callbacks=[kind()]) == due) is same
    assert due != run(tmp_path / "without")


def test_other_callbacks_are_another_run(tmp_path):
    run(tmp_path, callbacks=[Average()])
    with pytest.raises(ConfigError, match=r"callbacks"):
        run(tmp_path)


def test_a_checkpoint_callback_of_lightning_works(tmp_path):
    keep = ModelCheckpoint(dirpath=tmp_path / "kept", every_n_train_steps=10, save_top_k=-1)
    run(tmp_path / "run", callbacks=[keep])
    assert len(list((tmp_path / "kept").glob("*.ckpt"))) == 2


def test_loggers_by_name(tmp_path):
    run(tmp_path / "csv", logger="csv")
    assert (tmp_path / "csv" / "metrics.csv").exists()
    assert not (tmp_path / "csv" / "tensorboard").exists()
    due = run(tmp_path / "events", logger=("tensorboard",))
    assert not (tmp_path / "events" / "metrics.csv").exists()
    assert list((tmp_path / "events" / "tensorboard").glob("events.*"))
    assert run(tmp_path / "none", logger=()) == due


def test_wandb_is_told_to_be_missing_before_anything_is_made(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "wandb", None)
    with pytest.raises(MissingExtraError) as caught:
        run(tmp_path / "run", logger="wandb")
    assert str(caught.value).startswith('`logger="wandb"` needs the package `wandb`, but importing it failed')
    assert 'pip install "leworld[wandb]"' in caught.value.fix
    assert not (tmp_path / "run").exists()


def test_wandb_goes_on_with_the_run_that_it_began(tmp_path, monkeypatch):
    made: list[dict[str, Any]] = []
    monkeypatch.setattr("lightning.pytorch.loggers.WandbLogger", lambda **options: made.append(options))
    for goes_on in (False, True, True, False):
        lightning_loggers(tmp_path, ("csv", "wandb"), goes_on=goes_on)
    first, second, third, new = [options["id"] for options in made]
    assert first == second == third != new
    assert all(options["resume"] == "allow" and options["save_dir"] == tmp_path for options in made)


def test_a_logger_of_lightnings_gets_the_same_numbers(tmp_path):
    run(
        tmp_path / "run",
        logger=("csv", CSVLogger(tmp_path, name="theirs", version=0)),
        held_out=HeldOut(held_out(), every=8, num_windows=16),
    )
    with (tmp_path / "run" / "metrics.csv").open() as file:
        ours = {int(row["step"]): row for row in csv.DictReader(file)}
    with (tmp_path / "theirs" / "version_0" / "metrics.csv").open() as file:
        theirs = list(csv.DictReader(file))
    for name in ("prediction", "held_out_loss"):
        found = [float(row[name]) for row in theirs if row.get(name)]
        due = [float(row[name]) for row in ours.values() if row[name] != "nan"]
        assert found == pytest.approx(due, rel=1e-4)


class WithTarget(TrainingModule):
    """Adds a term of its own, with a weight that is trained along."""

    def __init__(self, model: Any, scale: float = 0.1) -> None:
        super().__init__(model)
        self.scale = scale
        self.target = nn.Parameter(torch.zeros(6))

    def losses(self, raw, *, step):
        found = super().losses(raw, step=step)
        gap = (self.target - 1).square().mean()
        return type(found)(
            {**found.terms, "gap": self.scale * gap}, latents=found.latents, values=found.values
        )


def test_a_step_of_ones_own_is_trained_and_goes_on(tmp_path, monkeypatch):
    made = []

    def module() -> WithTarget:
        made.append(WithTarget(tiny_model()))
        return made[-1]

    due = run(tmp_path / "whole", module())
    cut(tmp_path / "cut", WithTarget, monkeypatch, model=module())
    assert run(tmp_path / "cut", module()) == due
    first, *_, last = made
    assert torch.equal(first.target, last.target)
    assert float(first.target.detach().abs().min()) > 0
    with (tmp_path / "whole" / "metrics.csv").open() as file:
        assert "gap" in next(csv.reader(file))


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (lambda: tiny_model(), "step"),
        (lambda: WithTarget(tiny_model(), scale=0.2), r"step\.scale"),
    ],
)
def test_another_step_is_another_run(model, told, tmp_path):
    run(tmp_path, WithTarget(tiny_model()))
    with pytest.raises(ConfigError, match=told):
        run(tmp_path, model())
