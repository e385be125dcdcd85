"""Find the weight of the regularizer in few short trainings."""

import gc
import json
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..._checks import check_number, describe, plain_numbers
from ..._files import write_atomically
from ..._typing import Limits
from ...data import Episodes, Windows
from ...errors import ConfigError, DataError
from ...evaluation import (
    Quantity,
    TuningResult,
    TuningRow,
    diagnose,
    frame_latents,
    plan_agreement,
    recorded_quantities,
)
from ...metrics import effective_rank
from ...models import WorldModel, processor_of
from ...training import CollapseWarning, Devices, OptimizerSettings, TrainSettings, reserve_folder, train
from .._kept_settings import check_settings, recipe_facts
from .._recipe import Recipe
from .._seconds import timed
from .._task import Task
from ._search import FIRST, next_weight

_SETTINGS, _ROW, _SECONDS = "tuning.json", "row.json", "seconds.json"
_HELD_OUT = 100
_FEWEST_PROBED = 10  # episodes: with fewer a probe says nothing
_MOST_RANKED = 1024
_SHORTER = 5  # times fewer steps than the recipe's


@plain_numbers
def tune(
    task: Task,
    *,
    folder: str | Path,
    recipe: Recipe | None = None,
    low: float = 5e-4,
    high: float = 0.5,
    num_runs: int = 5,
    num_steps: int | None = None,
    seed: int = 0,
    progress: bool = True,
) -> TuningResult:
    """Find lambda, LeWM's one hyper-parameter, for a task: a few short trainings, and nothing is played.

    Lambda decides how hard the regularizer presses the embeddings towards a Gaussian. Too little, and they
    collapse or lose what the task turns on; too much, and they curl up until distance in them means nothing
    beyond the next step. Where the best lies depends on the world. Each training is judged by
    `plan_agreement` on held-out episodes, by the action component in which plans agree least, and by
    whether a quantity of the task is lost that a probe reads off the pictures, see `TuningRow.score`: what an
    agent pushes does not show in its own moves. The search halves the interval around the best so far on a
    logarithmic scale: n trainings leave about 2^(-n/2) of it.

    A training takes a fifth of the recipe's steps, so that the five of a search cost what one whole training
    costs. The best lambda of short runs lies above that of a whole training rather than below it, since weak
    regularization takes longest to keep embeddings from collapsing. The advice says so.

    Each training has a folder of its own, `lambda-WEIGHT`, with its state and, when it has been measured,
    `row.json`. The same call after an interruption goes on where it was; with more `num_runs` it refines.

    Args:
        task: The task, whose episodes are collected and whose held-out episodes judge.
        folder: Where everything goes; made if missing.
        recipe: Episodes, sizes and the settings of all trainings; `task.recipe()` when None. Its own weight
            and seed are not used, and its steps only for `num_steps`.
        low: Lowest weight.
        high: Highest weight.
        num_runs: Trainings, at least 3.
        num_steps: Optimizer steps of each; a fifth of the recipe's when None.
        seed: Of data, initial weights, batches and problems; the same for all trainings.
        progress: Show progress bars.

    Raises:
        ConfigError: An option out of range, or a folder that holds a search with other settings.

    Randomness:
        From the seed only.

    Source:
        Maes et al., LeWorldModel, 2026 (arXiv 2603.19312), name lambda as the one hyper-parameter, to be
        found by bisection in O(log n) runs. Judging runs without an environment is ours.

    Example:
        ```python
        import tempfile
        from dataclasses import replace
        from leworld.tasks import TwoRoomRecipe, get_task, tune
        from leworld.training import TrainSettings

        settings = TrainSettings(batch_size=8, batchnorm_windows=16)
        recipe = TwoRoomRecipe(num_episodes=4, embedding_dim=8, settings=settings)
        with tempfile.TemporaryDirectory() as folder:
            result = tune(
                get_task("tworoom"), folder=folder, recipe=recipe, num_runs=3, num_steps=2, progress=False
            )
        assert 5e-4 < result.best.weight < 0.5 and "lambda" in result.advice()
        ```
    """
    if not isinstance(task, Task):
        raise ConfigError(
            "tune needs `task` to be a `leworld.tasks.Task`",
            f"it is {describe(task)}",
            "Pass for example `get_task(name)`; `tune_recorded` takes recordings",
        )
    recipe = task.recipe() if recipe is None else recipe
    if not isinstance(recipe, Recipe) or recipe.model != "lewm":
        raise ConfigError(
            'tune needs `recipe` to be a Recipe with `model="lewm"`, whose one weight it finds',
            f"it is {describe(recipe)}"
            if not isinstance(recipe, Recipe)
            else f"its model is `{recipe.model}`",
            "Pass `task.recipe()`, or `replace` something in it",
        )
    _check_search("tune", low, high, num_runs)
    recipe_steps = recipe.settings.num_steps
    num_steps = -(-recipe_steps // _SHORTER) if num_steps is None else num_steps
    check_number("tune", "num_steps", num_steps, low=1, integer=True)
    check_number("tune", "seed", seed, low=0, integer=True)
    settings = replace(recipe.settings, num_steps=num_steps, seed=seed)
    recipe = replace(recipe, settings=settings)
    facts = {"task": task.name, "recipe": recipe_facts(recipe), "seed": seed, "low": low, "high": high}
    del facts["recipe"]["regularizer_weight"]
    episodes: list[Episodes] = []  # collected when the first training asks

    def build(weight: float) -> tuple[WorldModel, Windows]:
        if not episodes:
            episodes.append(recipe.collect(progress=progress))
            episodes.append(task.held_out(_HELD_OUT, seed=seed))
        model = replace(recipe, regularizer_weight=weight).build(recipe.processor(episodes[0]))
        return model, Windows(episodes[0], model.history_size, frameskip=task.frameskip)

    def measure(model: WorldModel, weight: float, seconds: float) -> TuningRow:
        return _measured(model, weight, episodes[1], task.quantities, task.action_limits, seed, seconds)

    return _searched(
        "tune",
        task.name,
        build,
        measure,
        folder,
        settings,
        (low, high, num_runs),
        facts,
        progress,
        next_step=_next_step(f"`leworld train {task.name} --lambda {{weight}}`", recipe_steps, num_steps),
    )


@plain_numbers
def tune_recorded(
    build: Callable[[float], WorldModel],
    windows: Windows,
    *,
    held_out: Episodes,
    folder: str | Path,
    low: float = 5e-4,
    high: float = 0.5,
    num_runs: int = 5,
    settings: TrainSettings | None = None,
    action_limits: Limits = (-1.0, 1.0),
) -> TuningResult:
    """Find lambda for a model of one's own, on one's own recordings: `tune` without a task.

    Args:
        build: Makes an untrained model, with its processor, for a weight of its regularizer. The same weight
            must give the same initial weights.
        windows: Training windows, as `leworld.training.train` takes them.
        held_out: Episodes that `windows` does not hold, longer than the model's history and five blocks.
        folder: Where everything goes; made if missing.
        low: Lowest weight.
        high: Highest weight.
        num_runs: Trainings, at least 3.
        settings: Of each training; 200 steps at a learning rate of 1e-3 when None.
        action_limits: Lowest and highest raw action, for the planner.

    Raises:
        ConfigError: An option out of range, or a folder that holds a search with other settings.
        DataError: Held-out episodes that are too short.

    Randomness:
        From the seed in `settings` only.

    Example:
        ```python
        import tempfile
        from leworld.data import Windows
        from leworld.tasks import TwoRoomRecipe, get_task, tune_recorded
        from leworld.training import TrainSettings

        recorded, held_out = get_task("tworoom").collect(4), get_task("tworoom").held_out(4)
        windows = Windows(recorded, 1, frameskip=5)

        def build(weight):
            recipe = TwoRoomRecipe(embedding_dim=8, regularizer_weight=weight)
            return recipe.build(recipe.processor(recorded))

        settings = TrainSettings(num_steps=2, batch_size=8, batchnorm_windows=16)
        with tempfile.TemporaryDirectory() as folder:
            result = tune_recorded(
                build, windows, held_out=held_out, folder=folder, num_runs=3, settings=settings
            )
        assert len(result.rows) == 3
        ```
    """
    owner = "tune_recorded"
    for name, value, kind in (("windows", windows, Windows), ("held_out", held_out, Episodes)):
        if not isinstance(value, kind):
            raise ConfigError(
                f"{owner} needs `{name}` to be {kind.__name__}",
                f"it is {describe(value)}",
                "Cut training windows with `Windows`, and keep some episodes out of them",
            )
    if not callable(build):
        raise ConfigError(
            f"{owner} needs `build` to be a function of a weight",
            f"it is {describe(build)}",
            "Pass for example `lambda weight: LeWM(..., regularizer_weight=weight)`",
        )
    _check_search(owner, low, high, num_runs)
    if settings is None:
        settings = TrainSettings(num_steps=200, optimizer=OptimizerSettings(learning_rate=1e-3))
    facts = {"training": settings.to_json(), "low": low, "high": high}
    quantities = recorded_quantities(held_out)

    def made(weight: float) -> tuple[WorldModel, Windows]:
        model = build(weight)
        processor_of(model, owner=owner)
        return model, windows

    def measure(model: WorldModel, weight: float, seconds: float) -> TuningRow:
        return _measured(model, weight, held_out, quantities, action_limits, settings.seed, seconds)

    return _searched(
        owner,
        "recordings",
        made,
        measure,
        folder,
        settings,
        (low, high, num_runs),
        facts,
        False,
        next_step="build the model with {weight} and `train` it for as long as it gets better.",
    )


def _next_step(command: str, recipe_steps: int, num_steps: int) -> str:
    if recipe_steps <= num_steps:
        return command
    return (
        f"{command}. The search took {num_steps:,} steps a training and the recipe takes {recipe_steps:,}: "
        "longer trainings bear a smaller lambda, so try {lower} as well."
    )


def _check_search(owner: str, low: float, high: float, num_runs: int) -> None:
    check_number(owner, "low", low, low=0.0, open_low=True)
    check_number(owner, "high", high, low=2 * low, fix="Leave room for at least a factor 2")
    check_number(owner, "num_runs", num_runs, low=FIRST, integer=True)


def _searched(
    owner: str,
    name: str,
    build: Callable[[float], tuple[WorldModel, Windows]],
    measure: Callable[[WorldModel, float, float], TuningRow],
    folder: str | Path,
    settings: TrainSettings,
    search: tuple[float, float, int],
    facts: dict[str, Any],
    progress: bool,
    *,
    next_step: str,
) -> TuningResult:
    """Train and measure what is not done yet, one weight after the other."""
    low, high, num_runs = search
    rows: dict[float, TuningRow] = {}
    with reserve_folder(folder, owner=owner) as place:
        check_settings(place / _SETTINGS, facts, owner=owner, what="a search")
        bar = tqdm(total=num_runs, desc="trainings", unit="training", disable=None if progress else True)
        with bar:
            while len(rows) < num_runs:
                scores = {weight: row.score for weight, row in rows.items()}
                weight = next_weight(low, high, scores)
                if weight is None:
                    break
                own = place / f"lambda-{weight:g}"
                row = _read(own / _ROW, owner)
                if row is None:
                    row = _trained(build, measure, own, settings, weight)
                    text = json.dumps(row.to_json(), indent=1, allow_nan=False) + "\n"
                    write_atomically(own / _ROW, lambda file, text=text: file.write_text(text))
                    gc.collect()  # Lightning leaves cycles that hold the episodes
                rows[weight] = row
                bar.update()
    return TuningResult(
        name, rows=tuple(rows.values()), low=low, high=high, next_step=next_step, settings=facts
    )


def _trained(
    build: Callable[[float], tuple[WorldModel, Windows]],
    measure: Callable[[WorldModel, float, float], TuningRow],
    place: Path,
    settings: TrainSettings,
    weight: float,
) -> TuningRow:
    model, windows = build(weight)

    def training() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CollapseWarning)  # that is what the search is for
            train(
                model,
                windows,
                folder=place,
                settings=settings,
                progress=False,
                devices=Devices(accelerator="cpu"),
            )

    _, seconds = timed(training, place / _SECONDS, "training")
    row, measuring = timed(lambda: measure(model, weight, seconds), place / _SECONDS, "measuring")
    return replace(row, seconds=seconds + measuring)


def _measured(
    model: WorldModel,
    weight: float,
    held_out: Episodes,
    quantities: Mapping[str, Quantity],
    limits: Limits,
    seed: int,
    seconds: float,
) -> TuningRow:
    found = plan_agreement(model, held_out, action_limits=limits, seed=seed)
    stride = processor_of(model, owner="tune").frameskip
    latents = frame_latents(model, held_out, stride=stride).vectors[:_MOST_RANKED]
    return TuningRow(
        weight=weight,
        agreement=found,
        effective_rank=float(effective_rank(latents, center=True)),
        seconds=seconds,
        missing=_missing(model, held_out, quantities, seed),
    )


def _missing(
    model: WorldModel, held_out: Episodes, quantities: Mapping[str, Quantity], seed: int
) -> dict[str, float]:
    """Return by how much R2 the pictures tell more of each quantity than the latent."""
    if held_out.pixels is None or not quantities or len(held_out) < _FEWEST_PROBED:
        return {}
    found = diagnose(model, held_out, quantities=quantities, num_problems=2, num_plans=2, seed=seed)
    return {name: max(0.0, value) for name, value in found.missing.items() if math.isfinite(value)}


def _read(path: Path, owner: str) -> TuningRow | None:
    if not path.exists():
        return None
    try:
        return TuningRow.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, DataError) as error:
        raise ConfigError(
            f"{owner} needs the rows in its folder to be those that it wrote",
            f"reading {path} failed: {error}",
            "Delete that file to measure anew",
        ) from error
