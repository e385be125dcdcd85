"""What a model says of its training episodes is true: it is known, or said to be unknown."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from torch.utils.data import DataLoader, Subset

import leworld
from leworld.data import Episodes, TrainingEpisodes, Windows, episode_digests
from leworld.errors import CheckpointError
from leworld.evaluation import TrainingOverlap, training_overlap
from leworld.models import LeWM
from leworld.report import _build, build_report
from leworld.tasks import TwoRoomRecipe
from leworld.training import TrainSettings, WorldModelModule, train
from tests.data.fakes import random_episodes
from tests.training.tiny import tiny_episodes, tiny_model, tiny_settings, tiny_windows

SETTINGS = tiny_settings(num_steps=1, save_every=1)
NOT_KNOWN = "it is not known which episodes the model was trained on"


def trained(folder: Path, windows: Windows | None = None, model: LeWM | None = None) -> LeWM:
    model = tiny_model() if model is None else model
    train(model, windows or tiny_windows(), folder=folder, settings=SETTINGS, progress=False)
    return model


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> LeWM:
    return trained(tmp_path_factory.mktemp("trained"))


def others(number: int = 12, seed: int = 9) -> Episodes:
    return random_episodes([20] * number, seed=seed, size=8)


def mixed() -> Episodes:
    """Three episodes of the training, at other places, among two others."""
    new, old = others(2), tiny_episodes()
    films = [old.pixels[old.rows(3)], new.pixels[new.rows(0)], old.pixels[old.rows(0)]]
    films += [new.pixels[new.rows(1)], old.pixels[old.rows(11)]]
    acts = [old.actions[old.rows(3)], new.actions[new.rows(0)], old.actions[old.rows(0)]]
    acts += [new.actions[new.rows(1)], old.actions[old.rows(11)]]
    return Episodes.from_trajectories(films, [actions[:-1] for actions in acts])


def test_overlap_is_told_before_and_after_the_file(model, tmp_path):
    again = leworld.load(leworld.save(model, tmp_path / "model"))
    for one in (model, again, leworld.load(tmp_path / "model", dtype=torch.float64)):
        known = training_overlap(one, tiny_episodes())
        assert known == TrainingOverlap(12, tuple(range(12)), 12, complete=True)
        assert known.sentence == "12 of these 12 episodes were in the training set of the model"
        assert training_overlap(one, mixed()).num_shared == 3
        none = training_overlap(one, others())
        assert none.sentence.startswith("none of these 12 episodes was trained on")


def test_the_shipped_model_says_that_it_is_not_known():
    shipped = leworld.load("lewm-tworoom-tiny")
    recipe = TwoRoomRecipe(num_episodes=1)
    assert training_overlap(shipped, recipe.collect(progress=False)).sentence == NOT_KNOWN
    assert training_overlap(tiny_model(), tiny_episodes()).sentence == NOT_KNOWN


def test_a_recipes_model_tells_its_own_episodes(tmp_path):
    recipe = TwoRoomRecipe(
        num_episodes=3, settings=TrainSettings(num_steps=1, batch_size=4, batchnorm_windows=8)
    )
    recipe.train(tmp_path, progress=False)
    again = leworld.load(tmp_path / "model")
    assert training_overlap(again, recipe.collect(progress=False)).num_shared == 3
    assert training_overlap(again, recipe.collect(held_out=True, progress=False)).num_shared == 0
    card = (tmp_path / "model" / "README.md").read_text()
    assert "digests" not in card


def test_only_episodes_with_a_window_count(tmp_path):
    old = tiny_episodes()
    lengths = [4] + [20] * 3  # a window has 5 rows
    films, acts = [], []
    for number, length in enumerate(lengths):
        films.append(old.pixels[old.rows(number)][:length])
        acts.append(old.actions[old.rows(number)][: length - 1])
    short = Episodes.from_trajectories(films, acts)
    model = trained(tmp_path, Windows(short, 2, frameskip=2))
    found = training_overlap(model, short)
    assert (found.num_shared, found.num_known) == (3, 3)
    one_side, other_side = old.split(0.5, seed=1)
    model = trained(tmp_path / "split", Windows(one_side, 2, frameskip=2))
    assert training_overlap(model, other_side).num_shared == 0
    assert training_overlap(model, old).num_shared == 6


def test_a_digest_is_of_content_and_of_nothing_else():
    data = replace(others(3), columns={"proprio": np.arange(120.0).reshape(60, 2)})
    parts = ("pixels", "proprio")
    due = episode_digests(data, parts)
    assert len(set(due)) == 3
    assert episode_digests(data, ("proprio", "pixels")) == due
    laid = replace(
        data,
        pixels=np.asfortranarray(data.pixels),
        actions=data.actions.astype(np.float64),
        columns={"proprio": data.columns["proprio"].astype(">f4"), "more": np.zeros(60)},
        environment_id=None,
    )
    assert episode_digests(laid, parts) == due
    assert episode_digests(data.select([2, 0]), parts) == (due[2], due[0])
    known = data.actions.copy()
    known[np.cumsum(data.lengths) - 1] = 0.5  # the last actions, which lead to no frame
    assert episode_digests(replace(data, actions=known), parts) == due
    for name in ("pixels", "actions", "proprio"):
        changed = {"pixels": data.pixels, "actions": data.actions, **data.columns}[name].copy()
        changed[25].reshape(-1)[-1] += 1
        given = {name: changed} if name != "proprio" else {"columns": {"proprio": changed}}
        told = episode_digests(replace(data, **given), parts)
        assert [one == other for one, other in zip(told, due, strict=True)] == [True, False, True]


CHANGES: dict[str, Callable[[LeWM], object]] = {
    "a step of the user's own": lambda m: next(m.parameters()).data.add_(1e-3),
    "other weights": lambda m: m.load_state_dict(tiny_model(seed=3).state_dict()),
    "another type": lambda m: m.half(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_weights_that_were_changed_since_are_not_vouched_for(change, model, tmp_path):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    try:
        CHANGES[change](model)
        for one in (model, leworld.load(leworld.save(model, tmp_path / "model"))):
            found = training_overlap(one, others())
            assert not found.complete
            assert "not known which others" in found.sentence
            assert training_overlap(one, mixed()).sentence.startswith("at least 3 of these 5")
    finally:
        model.float().load_state_dict(before)
    assert training_overlap(model, others()).complete


def test_training_on_adds_episodes_and_keeps_what_is_not_known(model, tmp_path):
    other = Windows(others(), 2, frameskip=2)
    onward = leworld.load(leworld.save(model, tmp_path / "model"))
    trained(tmp_path / "more", other, onward)
    assert training_overlap(onward, tiny_episodes()).num_shared == 12
    assert training_overlap(onward, others()).sentence.startswith("12 of these 12")
    assert "none of these 1" not in training_overlap(onward, others(1)).sentence
    bare = tiny_model()
    bare.trained_on = TrainingEpisodes(digests=(), complete=False)  # as a loaded model without a record
    trained(tmp_path / "bare", other, bare)
    assert "not known which others" in training_overlap(bare, tiny_episodes()).sentence


def own_trainer(folder: Path, module: WorldModelModule, loader: Any = None) -> LeWM:
    options: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "accelerator": "cpu"}
    trainer = Trainer(
        max_steps=1,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        **options,
    )
    trainer.fit(module, loader)
    return module.model  # pyright: ignore[reportReturnType] -- a LeWM went in


@pytest.mark.filterwarnings("ignore")
def test_a_trainer_of_ones_own_leaves_the_record_too(tmp_path):
    windows = tiny_windows()
    known = own_trainer(tmp_path, WorldModelModule(tiny_model(), windows, settings=SETTINGS))
    assert training_overlap(known, mixed()) == TrainingOverlap(5, (0, 2, 4), 12, complete=True)
    for loader, told in (
        (DataLoader(windows, batch_size=16, collate_fn=Windows.collate), True),
        (DataLoader(Subset(windows, range(30)), batch_size=16, collate_fn=Windows.collate), False),
    ):
        module = WorldModelModule(tiny_model(), tiny_windows(), settings=SETTINGS)
        found = training_overlap(own_trainer(tmp_path, module, loader), others())
        assert found.complete == told


def test_a_run_that_was_interrupted_says_the_same(tmp_path, monkeypatch):
    settings = tiny_settings(num_steps=4, save_every=2)
    options: dict[str, Any] = {"folder": tmp_path, "settings": settings, "progress": False}
    losses = WorldModelModule.losses

    def doomed(self: Any, raw: Any, *, step: int) -> Any:
        if step == 3:
            raise RuntimeError("pulled plug")
        return losses(self, raw, step=step)

    model = tiny_model()
    with monkeypatch.context() as patch:
        patch.setattr(WorldModelModule, "losses", doomed)
        with pytest.raises(RuntimeError, match="pulled plug"):
            train(model, tiny_windows(), **options)
    assert training_overlap(model, tiny_episodes()).num_shared == 12
    train(model, tiny_windows(), **options)
    assert training_overlap(model, others()).complete


@pytest.mark.parametrize(
    "damage",
    [
        lambda record: record.update(digests="AAAA"),
        lambda record: record.update(count=10**8),
        lambda record: record.update(complete="yes"),
        lambda record: record.pop("parts"),
        lambda record: record.update(parts=[3]),
    ],
)
def test_a_damaged_record_is_refused_when_it_is_read(damage, model, tmp_path):
    folder = leworld.save(model, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    damage(config["provenance"]["leworld.trained_on"])
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"leworld\.trained_on"):
        leworld.load(folder)


def test_the_record_cannot_be_given_by_hand_in_the_provenance(model, tmp_path):
    """It would be a claim that nobody checked."""
    folder = leworld.save(model, tmp_path / "one")
    facts = json.loads((folder / "config.json").read_text())["provenance"]
    other = leworld.load(leworld.save(tiny_model(), tmp_path / "two", provenance=facts))
    assert training_overlap(other, tiny_episodes()).sentence == NOT_KNOWN


def test_a_record_of_many_episodes_stays_small():
    many = TrainingEpisodes(digests=[f"{number:016x}" for number in range(20_000)])
    data = many.to_json()
    assert len(json.dumps(data)) < 250_000
    assert TrainingEpisodes.from_json(data) == many
    more = TrainingEpisodes(digests=[f"{number:016x}" for number in range(131_073)])
    assert more.to_json()["complete"] is False
    assert len(json.dumps(more.to_json())) < 2_000_000


def test_episodes_without_the_parts_cannot_be_compared(model):
    data = tiny_episodes()
    blind = replace(data, pixels=None, columns={"proprio": np.zeros((data.num_rows, 2))})
    assert training_overlap(model, blind).sentence == NOT_KNOWN


def lead(model: LeWM, episodes: Episodes, monkeypatch: pytest.MonkeyPatch) -> str:
    card = {name: _build.PARTS[name] for name in ("Episodes", "Model")}
    monkeypatch.setattr(_build, "PARTS", card)
    page = build_report(model, episodes, progress=False)
    assert "it was not trained on" not in page
    return page


def test_the_report_says_what_is_known(model, monkeypatch):
    shipped = leworld.load("lewm-tworoom-tiny")
    assert "12 of these 12 episodes were in the training set" in lead(model, tiny_episodes(), monkeypatch)
    assert "none of these 12 episodes was trained on" in lead(model, others(), monkeypatch)
    assert NOT_KNOWN in lead(shipped, others(), monkeypatch)  # pyright: ignore[reportArgumentType]


def test_a_digest_of_a_part_of_the_frames_would_be_seen(monkeypatch):
    """The check of content rejects a digest that reads every other frame."""
    whole = leworld.data._training_episodes.row_digests
    monkeypatch.setattr(
        "leworld.data._training_episodes.row_digests",
        lambda column, lengths: whole(column[::2], np.asarray(lengths) // 2),
    )
    with pytest.raises(AssertionError):
        test_a_digest_is_of_content_and_of_nothing_else()
