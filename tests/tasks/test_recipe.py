"""The TwoRoom recipe with another regularizer in SIGReg's place."""

import torch
from torch import Tensor

from leworld._config import ModuleConfig
from leworld.data import Batch
from leworld.models import LeWM
from leworld.regularizers import ExactSIGReg, SIGReg
from leworld.tasks import TwoRoomRecipe
from tests.training.tiny import tiny_model


def build(**options) -> LeWM:
    processor = tiny_model().processor
    assert processor is not None
    return TwoRoomRecipe(embedding_dim=8, num_slices=4, regularizer_weight=0.5).build(processor, **options)


def weights(model: LeWM) -> dict[str, Tensor]:
    return dict(model.named_parameters())


def test_without_a_choice_it_is_sigreg_with_the_recipes_slices() -> None:
    regularizer = build().regularizer
    assert isinstance(regularizer, SIGReg)
    assert regularizer.directions.num == 4


def test_another_regularizer_changes_no_initial_weight() -> None:
    usual, other = weights(build()), weights(build(regularizer=ExactSIGReg()))
    assert usual.keys() == other.keys()
    assert len(usual) > 10
    for name, weight in usual.items():
        assert torch.equal(weight, other[name]), name


def test_another_regularizer_is_the_one_that_is_trained_and_saved() -> None:
    model = build(regularizer=ExactSIGReg(num_knots=9))
    assert isinstance(model.regularizer, ExactSIGReg)
    assert isinstance(model.config, ModuleConfig)
    assert model.config.to_json()["regularizer"]["num_knots"] == 9
    generator = torch.Generator().manual_seed(0)
    batch = Batch(torch.randn(16, 2, 3, 64, 64, generator=generator), torch.zeros(16, 2, model.action_dim))
    losses = model.loss(batch)
    judged = ExactSIGReg(num_knots=9)(losses.latents.transpose(0, 1))
    assert torch.allclose(losses.values["regularizer"], judged)
    assert torch.allclose(losses.total, losses.terms["prediction"] + 0.5 * judged)
