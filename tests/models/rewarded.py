"""What models that learn from rewards are tested with alike: TD-MPC2 and DreamerV3."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from torch import Tensor

import leworld
from leworld.data import Batch, Episodes, Observation, Processor, Windows, fit_processor
from leworld.models import WorldModel
from leworld.training import OptimizerSettings, TrainSettings, WorldModelModule, train
from tests.models.checks import plan_inputs
from tests.models.rebuild import rebuild
from tests.training.tiny import fingerprint

ACTION, HORIZON = 4, 3


def batch(model: WorldModel, size: int = 6, time: int = HORIZON + 1) -> Batch:
    generator = torch.Generator().manual_seed(5)
    part = model.observation_parts[0]
    shape = (3,) if part == "proprio" else (3, 8, 8)
    parts = {part: torch.randn(size, time, *shape, generator=generator)}
    actions = torch.rand(size, time, ACTION, generator=generator) * 2 - 1
    columns: dict[str, Tensor] = {}
    if "reward" in model.batch_columns:
        columns["reward"] = torch.randn(size, time, generator=generator)
    if "terminated" in model.batch_columns:
        columns["terminated"] = torch.rand(size, time, generator=generator) < 0.3
    return Batch(Observation(parts=parts), actions, columns)


def without(model: WorldModel, column: str) -> Any:
    """Call the loss on a batch that lacks a column."""
    data = batch(model)
    kept = {name: value for name, value in data.columns.items() if name != column}
    return model.loss(Batch(data.observations, data.actions, kept))


def episodes() -> Episodes:
    rng = np.random.default_rng(0)
    rows, count = 8, 6
    actions = rng.uniform(-1, 1, (count * rows, ACTION)).astype(np.float32)
    actions[rows - 1 :: rows] = np.nan
    reward = np.where(np.isnan(actions[:, 0]), np.nan, rng.normal(size=count * rows)).astype(np.float32)
    terminated = np.zeros(count * rows, bool)
    terminated[rows - 1 :: 2 * rows] = True
    columns = {
        "proprio": rng.normal(size=(count * rows, 3)).astype(np.float32),
        "reward": reward,
        "terminated": terminated,
    }
    return Episodes(None, actions, lengths=np.full(count, rows), columns=columns)


def processed(model: WorldModel) -> WorldModel:
    model.processor = Processor(8, frameskip=2, action_dim=ACTION // 2)
    return model


def check_rebuilds(model: Any) -> None:
    """A model of the same config, with the same weights, has the same loss."""
    twin: Any = rebuild(model.config)
    assert type(twin) is type(model)
    assert list(twin.state_dict()) == list(model.state_dict())
    assert twin.weights == model.weights
    twin.load_state_dict(model.state_dict(), strict=True)
    losses = [
        one.eval().loss(batch(model), generator=torch.Generator().manual_seed(1)).total
        for one in (model, twin)
    ]
    assert torch.equal(*losses)


def check_loads(model: WorldModel, folder: Path) -> Any:
    """What was saved comes back, and plans the same; it is returned."""
    leworld.save(model, folder)
    again = leworld.load(folder)
    assert again.config == model.config
    ours, theirs = model.state_dict(), again.state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    arguments = plan_inputs(model, 2, 4)
    assert torch.equal(model.rollout(*arguments), again.rollout(*arguments))
    return again


def check_exports(model: WorldModel, folder: Path, latent: int) -> None:
    written = leworld.hub.export(processed(model).eval().float(), folder, format="pt2")
    facts = json.loads((written / "export.json").read_text())["programs"]
    assert facts["predictor"]["outputs"]["predictions"] == ["batch", 3, latent]
    assert all(part["largest_difference"] < 1e-4 for part in facts.values())


def check_resumes(build: Callable[[], WorldModel], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was cut off ends with the weights of one that was not."""

    def trained(place: Path) -> str:
        model, data = build(), episodes()
        model.processor = fit_processor(data, frameskip=1, parts=["proprio"])
        settings = TrainSettings(num_steps=8, batch_size=8, save_every=3, log_every=4)
        windows = Windows(data, model.history_size, frameskip=1, columns=["proprio"])
        return fingerprint(train(model, windows, folder=place, settings=settings, progress=False))

    whole = trained(folder / "whole")
    losses = WorldModelModule.losses

    def cut_off(self: WorldModelModule, raw: Any, *, step: int) -> Any:
        if step == 5:
            raise InterruptedError
        return losses(self, raw, step=step)

    with monkeypatch.context() as patch:
        patch.setattr(WorldModelModule, "losses", cut_off)
        with pytest.raises(InterruptedError):
            trained(folder / "cut")
    assert (folder / "cut" / "state.ckpt").exists()
    assert trained(folder / "cut") == whole


def check_gradients_are_clipped_apart(model: WorldModel, part: str, folder: Path) -> None:
    """However large the gradient of what learns to act is, that of the others is clipped by its own norm."""
    data = episodes()
    model.processor = fit_processor(data, frameskip=1, parts=["proprio"])
    weights = [
        [weight for name, weight in model.named_parameters() if name.startswith(part + ".") == own]
        for own in (True, False)
    ]
    found: list[list[float]] = []

    class Look(Callback):
        def on_before_zero_grad(self, *unused: Any) -> None:
            norms = [[w.grad.norm() for w in group if w.grad is not None] for group in weights]
            if all(norms):
                found.append([float(torch.stack(group).norm()) for group in norms])

    optimizer = OptimizerSettings(gradient_clip=1e-4)
    settings = TrainSettings(num_steps=2, batch_size=8, save_every=2, log_every=1, optimizer=optimizer)
    windows = Windows(data, model.history_size, frameskip=1, columns=["proprio"])
    train(model, windows, folder=folder, settings=settings, progress=False, callbacks=[Look()])
    assert found
    for norms in found:
        assert norms == pytest.approx([1e-4, 1e-4], rel=1e-2)
