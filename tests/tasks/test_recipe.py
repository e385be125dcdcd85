"""The TwoRoom recipe with another regularizer in SIGReg's place."""

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import leworld
from leworld._config import ModuleConfig
from leworld.data import Batch
from leworld.models import LeWM
from leworld.regularizers import ExactSIGReg, SIGReg
from leworld.tasks import TwoRoomRecipe, get_task
from leworld.training import TrainSettings
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
    frames = torch.randn(16, 2, 3, 64, 64, generator=generator, dtype=torch.float32)
    batch = Batch(frames, torch.zeros(16, 2, model.action_dim, dtype=torch.float32))
    losses = model.loss(batch)
    judged = ExactSIGReg(num_knots=9)(losses.latents.transpose(0, 1))
    assert torch.allclose(losses.values["regularizer"], judged)
    assert torch.allclose(losses.total, losses.terms["prediction"] + 0.5 * judged)


def digest(*arrays: np.ndarray) -> str:
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]


def test_the_shipped_models_recipe_collects_builds_and_says_what_it_did() -> None:
    """Data, initial weights and provenance are to the bit what they were before it moved here."""
    recipe = TwoRoomRecipe(num_episodes=4)
    for held_out, due in ((False, "b1de5a975b80f5b6"), (True, "a899223d938f6290")):
        episodes = recipe.collect(held_out=held_out, progress=False)
        parts = (episodes.pixels, episodes.actions, episodes.columns["state"], episodes.lengths)
        assert digest(*parts) == due
    model = recipe.build(recipe.processor(recipe.collect(progress=False)))
    assert digest(*(weight.numpy() for weight in model.state_dict().values())) == "60d59de05ab1dcc4"
    origin = TwoRoomRecipe().provenance()
    shipped = leworld.checkpoint_info("lewm-tworoom-tiny")
    assert origin["name"] == shipped.name
    assert list(origin["recipe"]) == [
        "num_episodes",
        "straight_share",
        "door_share",
        "embedding_dim",
        "regularizer_weight",
        "num_slices",
        "settings",
    ]
    folder = Path(leworld.__file__).parent / "hub" / "checkpoints" / "lewm-tworoom-tiny"
    saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))["provenance"]
    assert {name: saved[name] for name in origin} == json.loads(json.dumps(origin))


def test_the_task_collects_what_the_recipe_does() -> None:
    task, settings = get_task("tworoom"), TrainSettings(seed=3)
    episodes = task.collect(3, seed=3)
    again = TwoRoomRecipe(num_episodes=3, settings=settings).collect(progress=False)
    assert np.array_equal(episodes.pixels, again.pixels)
    assert np.array_equal(episodes.actions, again.actions, equal_nan=True)
