"""`leworld train`: options reach the recipe, and what comes out loads and plans."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import leworld
from leworld.cli._main import top
from leworld.cli._train import _INVERSE_EPISODES
from leworld.models import WorldModel
from leworld.tasks import TwoRoomRecipe
from leworld.training import INVERSE_SETTINGS, HeldOut, load_inverse

SMALL = ["--steps", "2", "--episodes", "2", "--batch-size", "8"]


def test_a_short_run_leaves_a_model_that_plans(tmp_path: Path) -> None:
    out = str(tmp_path / "run")
    result = CliRunner().invoke(top, ["train", "tworoom", *SMALL, "--lambda", "0.01", "--out", out])
    assert result.exit_code == 0, result.output
    assert f"{out}/model" in result.stdout
    model = leworld.load(tmp_path / "run" / "model")
    assert model.config.to_json()["regularizer_weight"] == 0.01
    again = CliRunner().invoke(top, ["train", "tworoom", *SMALL, "--seed", "1", "--out", out])
    assert again.exit_code == 2
    assert again.stderr.splitlines()[-1].startswith("Error: ")
    quick = ["--pairs", "1", "--samples", "4", "--iterations", "1", "--protocol", "same-room"]
    plan = CliRunner().invoke(top, ["plan", f"{out}/model", *quick])
    assert plan.exit_code == 0, plan.output


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    calls: dict[str, Any] = {}

    def record(
        recipe: TwoRoomRecipe,
        folder: Path,
        *,
        initial: WorldModel | None,
        held_out: HeldOut | None,
        resume: bool,
    ) -> None:
        assert held_out is None  # it belongs to --data
        calls.update(folder=folder, recipe=recipe, initial=initial, resume=resume)

    monkeypatch.setattr("leworld.tasks.TwoRoomRecipe.train", record)
    return calls


def test_without_options_it_is_the_recipe(seen: dict[str, Any]) -> None:
    assert CliRunner().invoke(top, ["train", "tworoom"]).exit_code == 0
    given = {"folder": Path("runs/tworoom"), "recipe": TwoRoomRecipe(), "initial": None, "resume": True}
    assert seen == given


def test_options_reach_the_recipe(seen: dict[str, Any]) -> None:
    options = ["--seed", "4", "--steps", "7", "--regularizer-weight", "0", "--batch-size", "3", "--restart"]
    options += ["--learning-rate", "0.5", "--episodes", "6", "--out", "x"]
    assert CliRunner().invoke(top, ["train", "tworoom", *options]).exit_code == 0
    recipe = seen["recipe"]
    settings = recipe.settings
    assert (settings.seed, settings.num_steps, settings.batch_size) == (4, 7, 3)
    assert settings.optimizer.learning_rate == 0.5
    assert (recipe.regularizer_weight, recipe.num_episodes) == (0.0, 6)
    assert (seen["folder"], seen["resume"]) == (Path("x"), False)


def test_warnings_are_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    import warnings

    def warn(*_: object, **__: object) -> None:
        warnings.simplefilter("always")
        warnings.warn("the embedding\n is collapsing", stacklevel=1)

    monkeypatch.setattr("leworld.tasks.TwoRoomRecipe.train", warn)
    result = CliRunner().invoke(top, ["train", "tworoom"])
    assert result.stderr == "Warning: the embedding is collapsing\n"


def test_an_inverse_model_is_trained_on_a_frozen_one(tmp_path: Path) -> None:
    out = str(tmp_path / "run")
    arguments = ["train", "tworoom-inverse", *SMALL, "--out", out]
    result = CliRunner().invoke(top, arguments)
    assert result.exit_code == 0, result.output
    assert f"{out}/inverse" in result.stdout
    assert load_inverse(tmp_path / "run" / "inverse").embedding_dim == 32
    again = CliRunner().invoke(top, [*arguments, "--seed", "1"])
    assert again.exit_code == 2
    assert again.stderr.splitlines()[-1].startswith("Error: ")


def test_options_reach_the_inverse_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setattr("leworld.tasks.TwoRoomTask.collect", lambda _, number, **o: (number, o["seed"]))
    monkeypatch.setattr(
        "leworld.training.train_inverse", lambda *a, **o: seen.update(o, world=a[0], data=a[1])
    )
    options = ["--seed", "4", "--steps", "7", "--learning-rate", "0.5", "--episodes", "6", "--restart"]
    assert CliRunner().invoke(top, ["train", "tworoom-inverse", *options]).exit_code == 0
    settings = seen["settings"]
    assert (settings.seed, settings.num_steps, settings.optimizer.learning_rate) == (4, 7, 0.5)
    assert settings.batch_size == INVERSE_SETTINGS.batch_size
    assert (seen["data"], seen["folder"], seen["resume"]) == ((6, 4), Path("runs/tworoom-inverse"), False)
    assert type(seen["world"]).__name__ == "LeWM"
    CliRunner().invoke(top, ["train", "tworoom-inverse"])
    assert (seen["data"], seen["settings"]) == ((_INVERSE_EPISODES, 0), INVERSE_SETTINGS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["tworoom", "--model", "x"], "--model"), (["tworoom-inverse", "--lambda", "0"], "--lambda")],
)
def test_options_of_the_other_recipe_are_refused(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(top, ["train", *arguments])
    assert result.exit_code == 2
    assert words in result.stderr


def test_an_unknown_recipe_names_those_there_are() -> None:
    result = CliRunner().invoke(top, ["train", "threeroom"])
    assert result.exit_code == 2
    assert all(word in result.stderr for word in ("tworoom-inverse", "--task"))
