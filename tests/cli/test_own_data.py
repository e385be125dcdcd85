"""Own data in one command each: pack them, train on them, look at what came out."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

import leworld
from leworld._digests import weights_digest
from leworld.cli._main import top
from leworld.data import Episodes, open_episodes, open_store, write_hdf5
from leworld.errors import ConfigError
from leworld.evaluation import training_overlap
from leworld.tasks import RecordedRecipe
from leworld.training import TrainSettings
from tests.data.fakes import random_episodes, sensing_episodes
from tests.data.lazy import sparing
from tests.data.robot_sets import RobotSet, lerobot, numbers_in

SMALL = ("--steps", "2", "--batch-size", "8", "--frameskip", "2")


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(top, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    write_hdf5(tmp_path / "my.h5", random_episodes([60, 64, 57, 70], size=20))
    return tmp_path / "my.h5"


def test_pack_train_and_look(recorded: Path) -> None:
    place = recorded.parent
    told = run("pack", recorded, place / "packed", "--size", "16")
    assert told.exit_code == 0, told.output
    assert "pixels 16x16" in told.output
    for data in (recorded, place / "packed"):
        out = place / f"{data.stem} run"
        told = run("train", "--data", data, *SMALL, "--out", out)
        assert told.exit_code == 0, told.output
        model = leworld.load(out / "model")
        assert model.processor.image_size == 16  # of 20 and 16
        assert (model.processor.frameskip, model.history_size) == (2, 3)
    told = run("surprise", place / "packed run" / "model", "--data", place / "packed")
    assert told.exit_code == 0, told.output
    assert "Note: 4 of these 4 episodes were in the training set" in told.stderr


def test_episodes_are_held_out_and_measured_on(tmp_path: Path) -> None:
    recorded, plain, out = tmp_path / "my.h5", tmp_path / "plain.h5", tmp_path / "run"
    known = random_episodes([20, 24, 17, 30, 22, 21, 18, 26], size=16)
    joints = np.random.default_rng(0).normal(size=(known.num_rows, 3))
    write_hdf5(recorded, replace(known, columns={"proprio": joints}))
    told = run("train", "--data", recorded, *SMALL, "--held-out", "0.5", "--seed", "3", "--out", out)
    assert told.exit_code == 0, told.output
    assert "held out 4 episodes" in told.output
    header, *rows = [line.split(",") for line in (out / "metrics.csv").read_text().splitlines()]
    assert float(rows[-1][header.index("held_out_loss")]) > 0
    model, everything = leworld.load(out / "model"), open_episodes(recorded)
    training, watched = everything.split(0.5, seed=3)
    assert training_overlap(model, training).num_shared == 4
    assert training_overlap(model, watched).num_shared == 0
    numbers = training_overlap(model, everything).unseen
    assert [int(everything.lengths[number]) for number in numbers] == watched.lengths.tolist()
    left_out = "Note: 4 of these 8 episodes were in the training set of the model; measured on the other 4."
    for command in ("probe", "surprise"):
        told = run(command, out / "model", "--data", recorded)
        assert told.exit_code == 0, told.output
        assert left_out in told.stderr
        assert (command == "probe") == ("proprio" in told.stdout)
    write_hdf5(plain, known)
    told = run("probe", out / "model", "--data", plain)
    assert told.exit_code == 2
    assert "Name one with --quantity" in told.output


def test_a_trained_model_is_trained_further_in_one_line(recorded: Path) -> None:
    place = recorded.parent
    assert run("train", "--data", recorded, *SMALL, "--out", place / "first").exit_code == 0
    begun = leworld.load(place / "first" / "model")
    few = ("--steps", "1", "--batch-size", "8", "--learning-rate", "1e-9", "--workers", "1")
    init = ("--init", place / "first" / "model")
    told = run("train", "--data", recorded, *init, *few, "--out", place / "second")
    assert told.exit_code == 0, told.output
    model = leworld.load(place / "second" / "model")
    assert model.processor == begun.processor  # its frameskip of 2, where a new model would have 5
    for name, weight in begun.named_parameters():
        assert torch.allclose(dict(model.named_parameters())[name], weight, atol=1e-6), name
    facts = json.loads((place / "second" / "model" / "config.json").read_text())["provenance"]
    assert facts["recipe"]["initial_weights"] == weights_digest(begun)
    assert "embedding_dim" not in facts["recipe"]  # it is the first model's to say


@pytest.mark.parametrize("option", [("--lambda", "0.1"), ("--frameskip", "2")])
def test_what_the_trained_model_brings_cannot_be_asked_for(option: tuple[str, str], recorded: Path) -> None:
    told = run("train", "--data", recorded, "--init", "lewm-tworoom-tiny", *option)
    assert told.exit_code == 2
    assert f"{option[0]} does not go with --init" in told.output


def test_a_model_of_another_robot_is_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    films = [rng.integers(0, 256, (30, 16, 16, 3), np.uint8)] * 2
    three = Episodes.from_trajectories(films, [rng.normal(size=(29, 3))] * 2)
    recipe = RecordedRecipe(episodes=three, settings=TrainSettings(num_steps=1, batch_size=8))
    with pytest.raises(ConfigError, match="3 components"):
        recipe.train(tmp_path, initial=leworld.load("lewm-tworoom-tiny"), progress=False)


def test_pack_appends_merges_and_renames(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_hdf5(tmp_path / f"{name}.h5", sensing_episodes([5, 6]))
    one, two, out = tmp_path / "one.h5", tmp_path / "two.h5", tmp_path / "s"
    camera = ("--camera", "wrist=pixels", "--camera", "pixels=front")
    assert run("pack", one, out, *camera).exit_code == 0
    refused = run("pack", two, out, *camera)
    assert refused.exit_code == 2
    assert "append=True" in refused.output
    assert run("pack", two, out, *camera, "--append").exit_code == 0
    assert len(open_store(out)) == 4
    assert open_store(out).pixels.shape[1:] == (4, 6, 3)
    assert run("pack", out, out, tmp_path / "both").exit_code == 0
    assert len(open_store(tmp_path / "both", verify=True)) == 8


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train"], "name a recipe"),
        (["train", "tworoom", "--frameskip", "2"], "belongs to --data"),
        (["train", "tworoom", "--held-out", "0.2"], "--held-out belongs to --data"),
        (["train", "--data", "my.h5", "--held-out", "1"], "--held-out"),
        (["probe", "lewm-tworoom-tiny", "--camera", "top"], "--camera belongs to --data"),
        (["train", "tworoom", "--data", "my.h5"], "RECIPE does not go with --data"),
        (["train", "tworoom", "--camera", "top"], "--camera belongs to --data"),
        (["train", "--data", "my.h5", "--camera", "top"], "`top` is none"),
        (["train", "--data", "my.h5", "--episodes", "3"], "--episodes does not go with --data"),
        (["train", "--data", "nowhere.h5"], "nowhere.h5"),
        (["train", "--data", "."], "one episode"),
        (["train", "--data", "empty"], "known format"),
        (["pack", "my.h5", "s", "--camera", "a="], "NAME=NEW"),
        (["pack", "my.h5", "s", "--camera", "pixel"], "pixel"),
        (["pack", "my.h5", "s", "--append", "--overwrite"], "exclude each other"),
    ],
)
def test_mistakes_are_told(recorded: Path, monkeypatch, arguments: list[str], words: str) -> None:
    monkeypatch.chdir(recorded.parent)
    Path("empty").mkdir()
    told = run(*arguments)
    assert told.exit_code == 2
    assert words in told.output


def test_a_robots_set_is_packed_and_trained_on(tmp_path: Path) -> None:
    cameras = ("observation.images.top", "observation.images.wrist")
    known = lerobot(tmp_path / "set", RobotSet([40, 44]), cameras=cameras)
    assert run("pack", known, tmp_path / "s", "--size", "16", "--camera", "wrist").exit_code == 0
    np.testing.assert_array_equal(numbers_in(open_store(tmp_path / "s").pixels[5:9]), 1005 + np.arange(4))
    told = run("train", "--data", known, *SMALL, "--camera", "top", "--out", tmp_path / "run")
    assert told.exit_code == 0, told.output
    told = run("surprise", tmp_path / "run" / "model", "--data", known, "--camera", "top")
    assert "Note: 2 of these 2 episodes were in the training set" in told.stderr
    told = run("train", "--data", known, "--out", tmp_path / "other")
    assert told.exit_code == 2
    assert "--camera NAME" in told.output


def test_a_run_from_disk_is_the_run_from_memory(tmp_path: Path) -> None:
    """Same bytes, same run: one is resumed from the other's state."""
    known = random_episodes([20, 24], size=16)
    settings = TrainSettings(num_steps=2, batch_size=4, batchnorm_windows=8)
    options = {"frameskip": 2, "embedding_dim": 8, "num_slices": 8, "settings": settings}
    for episodes in (known, sparing(known, 44)):
        recipe = RecordedRecipe(episodes=episodes, **options)  # pyright: ignore[reportArgumentType]
        recipe.train(tmp_path, progress=False)
    other = random_episodes([20, 24], size=16, seed=1)
    with pytest.raises(ConfigError, match="the data differ"):
        RecordedRecipe(episodes=other, **options).train(tmp_path, progress=False)  # pyright: ignore[reportArgumentType]


def test_frames_that_are_not_square_are_read_at_64_pixels() -> None:
    recipe = RecordedRecipe(episodes=sensing_episodes([30]), frameskip=2)
    assert recipe.processor(recipe.episodes).image_size == 16
    wide = random_episodes([30], size=8)
    wide = type(wide)(wide.pixels[:, :4].copy(), wide.actions, lengths=wide.lengths)
    assert RecordedRecipe(episodes=wide).processor(wide).image_size == 64
    with pytest.raises(ConfigError, match="there are no others"):
        recipe.collect(held_out=True)
