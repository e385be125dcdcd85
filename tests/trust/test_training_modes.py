"""Whatever trains is in training mode while it trains, and only what is frozen and was put aside is not."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn

import leworld
from leworld.decoders import CrossAttentionDecoder
from leworld.errors import ConfigError
from leworld.training import (
    TrainSettings,
    WorldModelModule,
    _decoder,
    _inverse_recipe,
    train,
    train_decoder,
    train_inverse,
)
from tests.training.tiny import fingerprint, tiny_episodes, tiny_model, tiny_settings, tiny_windows
from tests.trust import training_family as family

SETTINGS = tiny_settings(num_steps=2, save_every=2)
Entry = Callable[[Path, Callable[[nn.Module], None]], object]


def loaded(folder: Path) -> Any:
    return leworld.load(leworld.save(tiny_model(), folder / "stored"))


def own_trainer(folder: Path, look: Callable[[nn.Module], None], *more: Callback) -> Any:
    """Train a loaded model in a Trainer of the user's own."""

    class Look(Callback):
        def on_train_batch_start(
            self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
        ) -> None:
            look(model)

    model = loaded(folder)
    module = WorldModelModule(model, tiny_windows(), settings=SETTINGS)
    model.eval()  # an evaluation before the fit
    options: dict[str, Any] = {"accelerator": "cpu", "logger": False, "enable_checkpointing": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's advice
        Trainer(
            max_steps=2,
            callbacks=[*more, Look()],
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
            **options,
        ).fit(module)
    return model


def by_hand(folder: Path, look: Callable[[nn.Module], None]) -> None:
    """A loop of the user's own around `training_step`."""
    model = loaded(folder)
    module = WorldModelModule(model, settings=SETTINGS)
    raw = tiny_windows().__getitems__(list(range(16)))
    look(model)
    module.training_step(raw, 0).backward()


def ready(folder: Path, look: Callable[[nn.Module], None]) -> None:
    model = loaded(folder)
    losses = WorldModelModule.losses

    def observed(self: WorldModelModule, raw: Any, *, step: int) -> Any:
        look(model)
        return losses(self, raw, step=step)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WorldModelModule, "losses", observed)
        train(model, tiny_windows(), folder=folder / "run", settings=SETTINGS, progress=False)
    assert not model.training


def decoder(folder: Path, look: Callable[[nn.Module], None]) -> None:
    mine = CrossAttentionDecoder(6, 8, patch_size=4, hidden_dim=8, depth=1).eval()
    step = _decoder._DecoderModule.training_step

    def observed(self: Any, batch: Any, batch_idx: int) -> Any:
        look(mine)
        return step(self, batch, batch_idx)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_decoder._DecoderModule, "training_step", observed)
        options = {"folder": folder / "run", "settings": SETTINGS, "progress": False}
        train_decoder(tiny_model(), tiny_episodes(), decoder=mine, **options)  # pyright: ignore[reportArgumentType]
    assert not mine.training


def inverse(folder: Path, look: Callable[[nn.Module], None]) -> None:
    step = _inverse_recipe._InverseModule.training_step

    def observed(self: Any, batch: Any, batch_idx: int) -> Any:
        look(self.inverse)
        return step(self, batch, batch_idx)

    settings = TrainSettings(num_steps=1, batch_size=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_inverse_recipe._InverseModule, "training_step", observed)
        made = train_inverse(
            tiny_model().eval(),
            tiny_episodes(),
            folder=folder / "run",
            settings=settings,
            max_steps=2,
            hidden_dim=4,
            progress=False,
        )
    assert not made.training


ENTRIES: dict[str, Entry] = {
    "WorldModelModule in a Trainer": own_trainer,
    "WorldModelModule by hand": by_hand,
    "train": ready,
    "train_decoder": decoder,
    "train_inverse": inverse,
}


def still_off(entry: Entry, folder: Path) -> list[str]:
    """Return the names of parts that are in evaluation mode while the entry trains."""
    found: list[str] = []
    entry(folder, lambda module: found.extend(n for n, part in module.named_modules() if not part.training))
    return found


@pytest.mark.parametrize("name", ENTRIES)
def test_every_way_of_training_trains_in_training_mode(name, tmp_path):
    looks: list[int] = []
    assert (
        still_off(
            lambda folder, look: ENTRIES[name](folder, lambda m: (looks.append(1), look(m))[1]), tmp_path
        )
        == []
    )
    assert looks


def test_a_way_that_does_not_is_seen(tmp_path, monkeypatch):
    """Without the modes set, the walk finds the parts that stay off."""
    monkeypatch.setattr("leworld.training._module.set_training_modes", lambda module: None)
    assert "encoder" in still_off(own_trainer, tmp_path)


def test_frozen_parts_that_were_put_aside_stay_so_and_others_do_not(tmp_path):
    model = family.model().eval()
    model.norm.requires_grad_(False)
    model.norm.train()  # frozen, and its statistics shall move
    before = model.norm.running_mean.clone()
    module = WorldModelModule(model, family.windows(), settings=family.SETTINGS)
    assert [name for name, part in module.model.named_modules() if not part.training] == ["frozen"]
    family.run(tmp_path, model)
    assert not any(part.training for part in model.modules())
    assert not torch.equal(model.norm.running_mean, before)


def test_a_frozen_backbone_keeps_its_statistics(tmp_path):
    model = family.model().eval()
    model.norm.requires_grad_(False)
    before = model.norm.running_mean.clone(), model.norm.running_var.clone()
    family.run(tmp_path, model)
    assert torch.equal(model.norm.running_mean, before[0])
    assert torch.equal(model.norm.running_var, before[1])


def test_what_a_callback_puts_aside_stays_so(tmp_path):
    """Weights may train in evaluation mode, where that is asked for."""

    class Aside(Callback):
        def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
            pl_module.model.projector.eval()  # pyright: ignore[reportAttributeAccessIssue]

    found: list[bool] = []
    own_trainer(tmp_path, lambda model: found.append(model.projector.training), Aside())
    assert found == [False, False]


def test_a_model_with_nothing_to_train_is_refused_before_the_first_step(tmp_path):
    model = family.model().requires_grad_(False).eval()
    with pytest.raises(ConfigError, match="at least one parameter"):
        family.run(tmp_path, model)
    assert not (tmp_path / "state.ckpt").exists()


def test_a_failing_run_leaves_the_modes_as_they_were(tmp_path):
    model = family.model().eval()
    model.weight = float("nan")
    settings = TrainSettings(num_steps=8, batch_size=4, log_every=4, must_save=False)
    with pytest.raises(leworld.errors.NonFiniteError):
        family.run(tmp_path, model, settings=settings)
    assert not any(part.training for part in model.modules())


def test_a_loaded_model_that_trains_on_moves(tmp_path):
    model = loaded(tmp_path)
    before = fingerprint(model)
    train(model, tiny_windows(), folder=tmp_path / "run", settings=SETTINGS, progress=False)
    assert fingerprint(model) != before
