"""The generations of DINO-WM: sizes that were published, and settings that do not belong together."""

from dataclasses import replace

import pytest
import torch

from leworld.data import Processor
from leworld.errors import ConfigError, ShapeError
from leworld.models import DINOWM, dinowm_settings
from leworld.models._dinowm_settings import _SETTINGS
from tests.models.dinowm import PatchEncoder

PROCESSOR = Processor(64, frameskip=5, action_dim=2, environment_id="swm/PushT-v1")


def published(name: str, *, felt: int | None = 4, **options) -> DINOWM:
    with torch.device("meta"):
        return dinowm_settings(name).model(10, felt, **options)


def size(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("name", "felt", "predictor", "latent"),
    [
        ("dino-wm", 4, 20_122_600, (196, 394)),
        ("dino-wm", None, 19_624_820, (196, 384)),
        ("stable-worldmodel", 4, 20_195_320, (256, 394)),
        ("stable-worldmodel-196", 4, 20_122_600, (196, 394)),
        ("jepa-wms", 4, None, (256, 404)),
    ],
)
def test_published_sizes(name: str, felt: int | None, predictor: int | None, latent: tuple[int, int]) -> None:
    model = published(name, felt=felt)
    assert model.latent_shape == latent
    assert (model.history_size, model.action_dim) == (3, 10)
    if predictor is not None:
        assert size(model.predictor) == predictor
    assert size(model.encoder) == 22_056_576 - 384  # the published weights hold a mask token of training
    assert size(model.action_encoder) == 110
    dinowm_settings(name).check(model)


def test_settings_differ_where_the_generations_do() -> None:
    assert list(_SETTINGS) == ["dino-wm", "stable-worldmodel", "stable-worldmodel-196", "jepa-wms"]
    ours = {name: (s.image_size, s.image_mean[0], s.position_interpolation) for name, s in _SETTINGS.items()}
    assert ours == {
        "dino-wm": (196, 0.5, "torch_hub"),
        "stable-worldmodel": (224, 0.485, "transformers"),
        "stable-worldmodel-196": (196, 0.485, "transformers"),
        "jepa-wms": (224, 0.5, "torch_hub"),
    }
    assert published("dino-wm", history_size=1).predictor.positions.shape == (1, 196, 404)


def test_a_processor_gets_the_pictures_and_keeps_the_rest() -> None:
    settings = dinowm_settings("dino-wm")
    processor = settings.processor(PROCESSOR)
    assert processor == replace(PROCESSOR, image_size=196, image_mean=(0.5,) * 3, image_std=(0.5,) * 3)
    white = torch.full((1, 196, 196, 3), 255, dtype=torch.uint8)
    torch.testing.assert_close(processor.observations(white), torch.ones(1, 3, 196, 196, dtype=torch.float32))


def test_weights_of_one_grid_and_settings_of_another_are_told_in_tokens_and_pixels() -> None:
    """Le-wm PR 8: weights of 196 tokens, pictures of 224 pixels."""
    model = published("stable-worldmodel-196")
    with pytest.raises(ConfigError) as caught:
        dinowm_settings("stable-worldmodel").check(model)
    told = str(caught.value)
    for mention in (
        "256 tokens (16 x 16)",
        "224 pixels",
        "196 tokens (14 x 14)",
        "196 pixels",
        "'stable-worldmodel-196'",
    ):
        assert mention in told
    with pytest.raises(ConfigError) as caught:
        published("dino-wm", encoder=PatchEncoder(224, 14, 384))
    for mention in (
        "196 tokens (14 x 14)",
        "256 tokens (16 x 16)",
        "224 pixels",
        "for pictures of 196 pixels",
    ):
        assert mention in str(caught.value)


def test_colours_of_another_generation_are_seen() -> None:
    model = published("dino-wm")
    model.processor = dinowm_settings("stable-worldmodel-196").processor(PROCESSOR)
    with pytest.raises(ConfigError, match=r"0\.485"):
        dinowm_settings("dino-wm").check(model)
    model.processor = dinowm_settings("dino-wm").processor(PROCESSOR)
    dinowm_settings("dino-wm").check(model)


def test_pictures_of_another_size_are_told_when_they_come() -> None:
    model = published("dino-wm", encoder=PatchEncoder(196, 14, 384), felt=None)
    with pytest.raises(ShapeError) as caught:
        model.encode(torch.zeros(1, 1, 3, 224, 224, device="meta"))
    for mention in ("196 tokens (14 x 14)", "224 x 224 pixels", "256 tokens (16 x 16)", "`image_size`"):
        assert mention in str(caught.value)
