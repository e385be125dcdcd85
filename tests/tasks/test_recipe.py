"""The TwoRoom recipe with another regularizer in SIGReg's place."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import leworld
from benchmarks.tworoom import FORMER_RECIPE
from leworld._config import ModuleConfig
from leworld.control import MPCPolicy
from leworld.data import Batch, Observation, Processor
from leworld.models import PLDM, LeWM
from leworld.planners import CEMPlanner
from leworld.regularizers import ExactSIGReg, PLDMTerms, SIGReg
from leworld.tasks import TwoRoomRecipe, get_task
from leworld.training import OptimizerSettings, TrainSettings
from tests.training.tiny import tiny_model


def small_processor() -> Processor:
    processor = tiny_model().processor
    return replace(processor, image_size=16)


def build(**options) -> LeWM:
    processor = small_processor()
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


def test_inverse_dynamics_beside_the_two_terms_changes_no_other_initial_weight() -> None:
    processor = small_processor()
    recipe = TwoRoomRecipe(embedding_dim=8, num_slices=4, regularizer_weight=0.5, inverse_dynamics_weight=0.3)
    usual, third = weights(build()), recipe.build(processor)
    assert third.auxiliary_weights == {"inverse_dynamics": 0.3}
    found = weights(third)
    assert {name for name in found if "inverse_dynamics" in name} == found.keys() - usual.keys() != set()
    for name, weight in usual.items():
        assert torch.equal(weight, found[name]), name


def test_another_regularizer_is_the_one_that_is_trained_and_saved() -> None:
    model = build(regularizer=ExactSIGReg(num_knots=9))
    assert isinstance(model.regularizer, ExactSIGReg)
    assert isinstance(model.config, ModuleConfig)
    assert model.config.to_json()["regularizer"]["num_knots"] == 9
    generator = torch.Generator().manual_seed(0)
    frames = torch.randn(16, 2, 3, 16, 16, generator=generator, dtype=torch.float32)
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


def shipped_provenance() -> dict:
    folder = Path(leworld.__file__).parent / "hub" / "checkpoints" / "lewm-tworoom-tiny"
    return json.loads((folder / "config.json").read_text(encoding="utf-8"))["provenance"]


def shipped_recipe() -> TwoRoomRecipe:
    """The recipe of the shipped model, which is older than the defaults, from what its file says."""
    facts = shipped_provenance()["recipe"]
    optimizer = OptimizerSettings(**facts["settings"]["optimizer"])
    settings = TrainSettings(**facts["settings"] | {"optimizer": optimizer})
    return TwoRoomRecipe(**{"image_size": 64} | facts | {"settings": settings})


def test_the_shipped_models_recipe_collects_builds_and_says_what_it_did() -> None:
    """Data, initial weights and provenance are to the bit what they were before it moved here."""
    recipe = replace(shipped_recipe(), num_episodes=4)
    for held_out, due in ((False, "b1de5a975b80f5b6"), (True, "a899223d938f6290")):
        episodes = recipe.collect(held_out=held_out, progress=False)
        parts = (episodes.pixels, episodes.actions, episodes.columns["state"], episodes.lengths)
        assert digest(*parts) == due
    model = recipe.build(recipe.processor(recipe.collect(progress=False)))
    assert digest(*(weight.numpy() for weight in model.state_dict().values())) == "60d59de05ab1dcc4"
    assert shipped_recipe() == FORMER_RECIPE
    origin, saved = shipped_recipe().provenance(), shipped_provenance()
    assert origin["name"] == leworld.checkpoint_info("lewm-tworoom-tiny").name
    assert list(origin["recipe"]) == [
        "num_episodes",
        "straight_share",
        "door_share",
        "embedding_dim",
        "regularizer_weight",
        "num_slices",
        "settings",
    ]
    assert {name: saved[name] for name in origin} == json.loads(json.dumps(origin))


def test_the_command_of_a_recipe_names_what_differs_from_its_defaults() -> None:
    assert TwoRoomRecipe().provenance()["command"] == "leworld train tworoom --seed 0"
    settings = TrainSettings(num_steps=7, seed=3, optimizer=OptimizerSettings(learning_rate=0.002))
    told = TwoRoomRecipe(num_episodes=5, image_size=64, settings=settings).provenance()["command"]
    assert told == "leworld train tworoom --seed 3 --size 64 --steps 7 --learning-rate 0.002 --episodes 5"


def test_the_task_collects_what_the_recipe_does() -> None:
    task, settings = get_task("tworoom"), TrainSettings(seed=3)
    episodes = task.collect(3, seed=3)
    again = TwoRoomRecipe(num_episodes=3, image_size=None, settings=settings).collect(progress=False)
    assert np.array_equal(episodes.pixels, again.pixels)
    assert np.array_equal(episodes.actions, again.actions, equal_nan=True)


def test_a_recipe_may_name_pldm_of_the_same_parts_and_initial_weights() -> None:
    processor = small_processor()
    recipe = TwoRoomRecipe(embedding_dim=8, model="pldm")
    model = recipe.build(processor)
    assert isinstance(model, PLDM)
    assert model.regularizer.weights == PLDMTerms().weights
    usual = weights(build())
    assert usual.keys() == weights(model).keys()
    assert all(torch.equal(weight, usual[name]) for name, weight in weights(model).items())
    milder = recipe.build(processor, regularizer=PLDMTerms(9.0))
    assert milder.regularizer.std_weight == 9.0
    assert recipe.provenance()["name"] == "pldm-tworoom"
    assert "PLDM" in recipe.provenance()["summary"]


def test_a_pldm_recipe_trains_loads_and_plans(tmp_path: Path) -> None:
    """The path that every model takes: train, load, plan; the log has every term by its name."""
    settings = TrainSettings(num_steps=2, batch_size=4, log_every=1, batchnorm_windows=8)
    recipe = TwoRoomRecipe(num_episodes=2, embedding_dim=8, model="pldm", settings=settings)
    recipe.train(tmp_path, progress=False)
    model = leworld.load(tmp_path / "model")
    assert isinstance(model, PLDM)
    header = (tmp_path / "metrics.csv").read_text().splitlines()[0].split(",")
    assert {"prediction", "std", "covariance", "time_std", "similarity"} <= set(header)
    policy = MPCPolicy(model, CEMPlanner(horizon=2, num_samples=8, num_iterations=2))
    frames = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    policy.reset(Observation(frames[::-1].copy()))
    assert policy.act(Observation(frames)).shape == (2, 2)
