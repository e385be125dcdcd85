"""A frozen backbone in training: no optimizer has it, nothing of it moves, a resumed run goes on alike."""

from pathlib import Path

import pytest
import torch

import leworld
from leworld.data import RawBatch, fit_processor
from leworld.encoders import ActionEncoder, TimmEncoder
from leworld.models import LeWM
from leworld.nn import Frozen, Projector
from leworld.predictors import TransformerPredictor
from leworld.regularizers import SIGReg
from leworld.training import WorldModelModule, reestimate_batchnorm, train
from tests.training.tiny import fingerprint, tiny_episodes, tiny_settings, tiny_windows

SETTINGS = tiny_settings(num_steps=4, save_every=2)


def model_of(encoder: torch.nn.Module) -> LeWM:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = LeWM(
            encoder,
            TransformerPredictor(6, history_size=2, depth=1, num_heads=1, head_dim=6, mlp_dim=8),
            action_encoder=ActionEncoder(4, 6),
            projector=Projector(encoder.embedding_dim, 6, hidden_dim=8),
            prediction_projector=Projector(6, hidden_dim=8),
            regularizer=SIGReg(8),
        )
    model.processor = fit_processor(tiny_episodes(), frameskip=2)
    return model


def backbone() -> TimmEncoder:
    """One with BatchNorm and dropout, whose statistics are not those of the data."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return TimmEncoder("resnet18", options={"drop_rate": 0.5})


def test_nothing_of_it_moves_and_all_else_does(tmp_path: Path) -> None:
    model = model_of(Frozen(backbone()))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    train(model, tiny_windows(), folder=tmp_path, settings=SETTINGS)
    after = leworld.load(leworld.save(model, tmp_path / "m")).state_dict()
    moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert not [name for name in moved if name.startswith("encoder.")]
    assert {name.partition(".")[0] for name in moved} == {
        "predictor", "action_encoder", "projector", "prediction_projector"
    }  # fmt: skip


def test_a_thawed_one_does_move(tmp_path: Path) -> None:
    """The test above can fail."""
    model = model_of(backbone())
    before = fingerprint(model.encoder)
    statistics = model.encoder.backbone.bn1.running_mean.clone()
    train(model, tiny_windows(), folder=tmp_path, settings=SETTINGS)
    assert fingerprint(model.encoder) != before
    assert not torch.equal(model.encoder.backbone.bn1.running_mean, statistics)


def test_the_optimizer_has_no_weight_of_it() -> None:
    model = model_of(Frozen(backbone()))
    model.requires_grad_(True)  # a loop that thaws everything: the fit freezes again
    module = WorldModelModule(model, tiny_windows(), settings=SETTINGS)
    configured = module.configure_optimizers()
    held = {id(weight) for group in configured["optimizer"].param_groups for weight in group["params"]}
    assert held == {id(weight) for weight in model.parameters() if weight.requires_grad}
    assert not held & {id(weight) for weight in model.encoder.parameters()}


def test_a_resumed_run_is_the_uninterrupted_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = model_of(Frozen(backbone()))
    train(whole, tiny_windows(), folder=tmp_path / "whole", settings=SETTINGS)

    step = WorldModelModule.training_step

    def cut(module: WorldModelModule, batch: RawBatch, batch_idx: int) -> torch.Tensor:
        if module.global_step == 3:
            raise RuntimeError("the power fails")
        return step(module, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(WorldModelModule, "training_step", cut)
        with pytest.raises(RuntimeError, match="the power fails"):
            train(model_of(Frozen(backbone())), tiny_windows(), folder=tmp_path / "cut", settings=SETTINGS)
    resumed = model_of(Frozen(backbone()))
    train(resumed, tiny_windows(), folder=tmp_path / "cut", settings=SETTINGS)
    assert fingerprint(resumed) == fingerprint(whole)
    assert not any(part.training for part in resumed.encoder.modules())


def test_statistics_are_measured_anew_for_the_others_only() -> None:
    model = model_of(Frozen(backbone()))
    before = fingerprint(model.encoder)
    projector = model.projector.norm.running_mean.clone()
    reestimate_batchnorm(model, tiny_windows(), num_windows=32)
    assert fingerprint(model.encoder) == before
    assert not torch.equal(model.projector.norm.running_mean, projector)


def test_the_backward_pass_keeps_nothing_of_it() -> None:
    model = model_of(Frozen(backbone())).train()
    kept = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor.data_ptr())
        return tensor

    weights = {weight.data_ptr() for weight in model.encoder.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        features = model.encoder(torch.randn(4, 3, 8, 8))
        assert not kept
        model.projector(features).sum().backward()
    assert kept
    assert not weights & set(kept)
