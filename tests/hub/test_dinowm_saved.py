"""DINO-WM in leworld's own layout and as programs: what is frozen stays so, nothing is lost."""

import json
from pathlib import Path

import pytest
import torch

import leworld
from leworld.errors import CheckpointError
from tests.hub.examples import tiny_dinowm
from tests.models.checks import plan_inputs


@pytest.mark.parametrize("proprio", [True, False], ids=["proprio", "noprop"])
@torch.no_grad()
def test_it_comes_back_with_its_encoder_frozen(proprio: bool, tmp_path: Path) -> None:
    model = tiny_dinowm(proprio=proprio).eval()
    leworld.save(model, tmp_path / "model")
    again = leworld.load(tmp_path / "model")
    assert again.config == model.config
    assert again.processor == model.processor
    ours, theirs = model.state_dict(), again.state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert not any(parameter.requires_grad for parameter in again.encoder.parameters())
    assert all(parameter.requires_grad for parameter in again.predictor.parameters())
    assert not any(part.training for part in again.train().encoder.modules())
    arguments = plan_inputs(model, 2, 4)
    assert torch.equal(model.rollout(*arguments), again.eval().rollout(*arguments))


@pytest.mark.parametrize("format", ["pt2", "onnx"])
@torch.no_grad()
def test_it_is_exported_without_proprioception(format: str, tmp_path: Path) -> None:
    model = tiny_dinowm(proprio=False).eval().float()  # as programs are
    folder = leworld.hub.export(model, tmp_path / "robot", format=format)
    facts = json.loads((folder / "export.json").read_text())["programs"]
    assert facts["predictor"]["outputs"]["predictions"] == ["batch", 3, 4, 6]
    assert facts["encoder"]["largest_difference"] < 1e-4
    if format == "pt2":
        predict = torch.export.load(folder / "predictor.pt2").module()
        latents, actions = (
            torch.randn(5, 3, 4, 6, dtype=torch.float32),
            torch.randn(5, 3, 4, dtype=torch.float32),
        )
        torch.testing.assert_close(predict(latents, actions), model.predict(latents, actions))


def test_parts_of_an_observation_are_not_exported(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="`proprio`"):
        leworld.hub.export(tiny_dinowm(), tmp_path / "robot")
