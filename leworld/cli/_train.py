"""`leworld train`: train a world model, or a network that acts on its embeddings, by a recipe."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ._memory import check_memory, pictures
from ._options import (
    LARGEST_SIDE,
    MOST,
    MOST_EPISODES,
    DataPath,
    FiniteRange,
    Place,
    camera_choice,
    camera_option,
    seed_option,
    task_option,
)
from ._out import prove_writable

if TYPE_CHECKING:
    from ..data import Episodes
    from ..tasks import Recipe, Task
    from ..training import TrainSettings

_INVERSE = "-inverse"
_INVERSE_EPISODES = 400
_LARGEST_BATCH = 2**16
_MOST_WORKERS = 1024
_USUAL_SIZE = 64

_EPILOG = """Examples:

\b
  leworld train tworoom                                    a model like the shipped one, in minutes on a CPU
  leworld train tworoom --seed 3 --out runs/seed3          another seed, in another folder
  leworld train tworoom --out runs/seed3                   go on after an interruption: the same call again
  leworld train tworoom --steps 600 --lambda 0             watch the embedding collapse without SIGReg
  leworld plan runs/tworoom/model                          measure what came out
  leworld train tworoom-inverse                            a network that acts without planning, in a minute
  leworld train arm --task arm.py:Arm                      in a world of your own
  leworld train --data my.h5 --out runs/mine               on episodes that you recorded
  leworld train --data my.h5 --init lewm-pusht             on from a published model, or one of yours
"""


@click.command(short_help="Train a model by a recipe.", epilog=_EPILOG)
@click.argument("recipe", required=False)
@task_option()
@click.option(
    "--data",
    type=DataPath(),
    help="Recorded episodes to train on in place of a recipe's, in any format that `leworld pack` takes.",
)
@camera_option()
@click.option(
    "--held-out",
    "share",
    type=FiniteRange(min=0, max=1, min_open=True, max_open=True),
    help="With --data: share of the episodes to keep out and to watch the loss on.  [default: none]",
)
@click.option(
    "--frameskip",
    type=click.IntRange(min=1, max=MOST),
    help="With --data: rows between the frames that the model sees.  [default: 5]",
)
@click.option(
    "--size",
    type=click.IntRange(min=1, max=LARGEST_SIDE),
    help="Side of the frames that the model sees, a multiple of 16.  [default: the recipe's, or the data's]",
)
@seed_option("data, initial weights and batches: same seed and machine, same weights")
@click.option(
    "--steps", type=click.IntRange(min=1, max=MOST), help="Optimizer steps.  [default: the recipe's]"
)
@click.option(
    "--lambda",
    "--regularizer-weight",
    "regularizer_weight",
    type=FiniteRange(min=0),
    help="Weight of SIGReg; 0 trains without.  [default: the recipe's]",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=2, max=_LARGEST_BATCH),
    help="Windows a step.  [default: the recipe's]",
)
@click.option(
    "--learning-rate",
    type=FiniteRange(min=0, min_open=True),
    help="Largest learning rate.  [default: the recipe's]",
)
@click.option(
    "--model",
    help="Frozen world model for `NAME-inverse`, a name or a folder.  [default: the task's shipped one]",
)
@click.option(
    "--init",
    "initial",
    metavar="NAME",
    help="Begin with a trained model, a name or a folder; its sizes and its processor stay.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=0, max=_MOST_WORKERS),
    help="Processes that read batches ahead; they decide nothing but the time.  [default: 0]",
)
@click.option(
    "--episodes",
    type=click.IntRange(min=1, max=MOST_EPISODES),
    help="Episodes to collect.  [default: the recipe's]",
)
@click.option(
    "--out",
    type=Place(folder=True),
    help="Folder for logs, the resumable state, and what was trained in `model` or `inverse`.  "
    "[default: runs/RECIPE]",
)
@click.option(
    "--resume/--restart",
    default=True,
    show_default=True,
    help="Go on from an interrupted run in the folder, or start over.",
)
def train(
    recipe: str | None,
    place: str | None,
    data: Path | None,
    cameras: tuple[str, ...],
    share: float | None,
    frameskip: int | None,
    size: int | None,
    seed: int,
    steps: int | None,
    regularizer_weight: float | None,
    batch_size: int | None,
    learning_rate: float | None,
    model: str | None,
    initial: str | None,
    workers: int | None,
    episodes: int | None,
    out: Path | None,
    resume: bool,
) -> None:
    """Train by RECIPE, the name of a task: collect data, train, save. Or train on --data of your own.

    The recipe `tworoom` collects episodes of the task `tworoom` and trains a small LeWM from pixels, and so
    does every other task's. `leworld plan` and `leworld.load` take the folder `model` that it leaves. The
    metrics go into metrics.csv and TensorBoard's format.

    The recipe `tworoom-inverse` trains a goal-conditioned inverse model on the frozen embeddings of such a
    model: asked instead of a planner, it acts at a small part of the cost. `leworld.training.load_inverse`
    takes the folder `inverse` that it leaves.

    With --init a published or trained model is trained further on the same data.

    With --data a small LeWM is trained on what you recorded; all sizes follow from it. Large sets are read
    from disk a batch at a time, fastest from a store that `leworld pack` wrote. --held-out 0.1 keeps a tenth
    of the episodes out, at random by the seed: `probe`, `surprise` and `report` measure on these then, by
    the same --data.

    An interrupted run, called again, ends with the same weights as one that was not.
    """
    if out is not None:
        prove_writable(out)
    changes = {
        "num_steps": steps,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "num_workers": workers,
    }
    if initial is not None:
        _refuse_with_initial({"--lambda": regularizer_weight, "--frameskip": frameskip, "--size": size})
    if data is not None:
        _refuse_with_data(recipe, {"--task": place, "--model": model, "--episodes": episodes})
        given = _given(frameskip=frameskip, regularizer_weight=regularizer_weight, image_size=size)
        _train_recorded(data, cameras, share, out, seed, changes, given, initial, resume)
        return
    if recipe is None:
        raise click.UsageError("name a recipe, or episodes of your own with --data")
    of_data = {"--camera": cameras or None, "--frameskip": frameskip, "--held-out": share}
    for stray in [name for name, value in of_data.items() if value is not None]:
        raise click.UsageError(f"{stray} belongs to --data; a recipe has its own")
    task = find_recipe_task(recipe.removesuffix(_INVERSE), place)
    if out is None:
        out = Path("runs", recipe)
        prove_writable(out)
    side = getattr(task, "image_size", _USUAL_SIZE) if size is None else size
    check_memory("--episodes", episodes or 0, pictures(episodes or 0, task.episode_steps, side))
    if not recipe.endswith(_INVERSE):
        if model is not None:
            raise click.UsageError(
                f"--model belongs to the recipe `{recipe}{_INVERSE}`; `{recipe}` starts from nothing"
            )
        given = _given(num_episodes=episodes, regularizer_weight=regularizer_weight, image_size=size)
        _train_model(task, out, seed, changes, given, initial, resume, place)
    else:
        if size is not None:
            raise click.UsageError(
                f"--size belongs to the recipe `{task.name}`; an inverse model has its model's"
            )
        if initial is not None:
            raise click.UsageError(
                f"--init belongs to the recipe `{task.name}`; an inverse model begins anew"
            )
        if regularizer_weight is not None:
            raise click.UsageError(
                f"--lambda belongs to the recipe `{task.name}`; an inverse model has no regularizer"
            )
        if model is None and task.shipped_model is None:
            raise click.UsageError(f"no model of `{task.name}` ships with leworld: name yours with --model")
        _train_inverse(task, out, seed, changes, model or task.shipped_model or "", episodes, resume)


def _refuse_with_data(recipe: str | None, options: dict[str, object]) -> None:
    strays = [name for name, value in {"RECIPE": recipe, **options}.items() if value is not None]
    if strays:
        raise click.UsageError(f"{strays[0]} does not go with --data, which says what to train on.")


def _refuse_with_initial(options: dict[str, object]) -> None:
    strays = [name for name, value in options.items() if value is not None]
    if strays:
        raise click.UsageError(f"{strays[0]} does not go with --init, whose model has its own.")


def _train_recorded(
    data: Path,
    cameras: tuple[str, ...],
    share: float | None,
    out: Path | None,
    seed: int,
    changes: dict[str, Any],
    given: dict[str, Any],
    initial: str | None,
    resume: bool,
) -> None:
    from ..data import open_episodes
    from ..tasks import RecordedRecipe

    out = Path("runs", data.stem) if out is None else out
    prove_writable(out)
    episodes, watched = open_episodes(data, cameras=camera_choice(cameras)), None
    if share is not None:
        episodes, watched = episodes.split(share, seed=seed)
    recipe = RecordedRecipe(episodes=episodes, **given)
    _run(recipe, out, seed, changes, initial, resume, watched=watched)
    if watched is None:
        click.echo(f"Next: `leworld surprise {out / 'model'} --data FILE`, with episodes that were held out")
    else:
        camera = "".join(f" --camera {name}" for name in cameras)
        told = f"{len(watched)} episode" + ("s" if len(watched) > 1 else "")
        click.echo(f"held out {told}: see `held_out_loss` in the metrics")
        click.echo(f"Next: `leworld surprise {out / 'model'} --data {data}{camera}`, which measures on these")


def _run(
    recipe: "Recipe",
    out: Path,
    seed: int,
    changes: dict[str, Any],
    initial: str | None,
    resume: bool,
    *,
    watched: "Episodes | None" = None,
) -> None:
    """Train by a recipe with the settings that the user gave, and say where the results are."""
    from ..hub import load
    from ..training import HeldOut

    begun = None if initial is None else load(initial)
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        settings = _changed(recipe.settings, seed, changes)
        held_out = None if watched is None else HeldOut(watched, every=settings.save_every)
        replace(recipe, settings=settings).train(out, initial=begun, held_out=held_out, resume=resume)
    click.echo(f"model    {out / 'model'}")
    click.echo(f"metrics  {out / 'metrics.csv'}")


def find_recipe_task(name: str, place: str | None) -> "Task":
    """Return the task of a recipe's name, from the user's own place where there is one."""
    from ..tasks import get_task, list_tasks, load_task

    if place is not None:
        task = load_task(place)
        if task.name != name:
            raise click.BadParameter(
                f"the task at {place} is {task.name!r}, not {name!r}.", param_hint="RECIPE"
            )
        return task
    if name not in list_tasks():
        known = ", ".join(f"{task}, {task}{_INVERSE}" for task in list_tasks())
        raise click.BadParameter(
            f"no recipe {name!r}. There are: {known}. Name a task of your own with --task FILE.py:NAME.",
            param_hint="RECIPE",
        )
    return get_task(name)


def _train_model(
    task: "Task",
    out: Path,
    seed: int,
    changes: dict[str, Any],
    given: dict[str, Any],
    initial: str | None,
    resume: bool,
    place: str | None,
) -> None:
    _run(replace(task.recipe(), **given), out, seed, changes, initial, resume)
    told = "" if place is None else f" --task {place}"
    click.echo(f"Next: `leworld plan {out / 'model'}{told}`")


def _train_inverse(
    task: "Task",
    out: Path,
    seed: int,
    changes: dict[str, Any],
    model: str,
    episodes: int | None,
    resume: bool,
) -> None:
    from ..hub import load
    from ..training import INVERSE_SETTINGS, train_inverse

    world = load(model)
    settings = _changed(INVERSE_SETTINGS, seed, changes)
    size = world.processor.image_size if world.has_processor else None
    gathered = task.collect(episodes or _INVERSE_EPISODES, seed=seed, image_size=size, progress=True)
    train_inverse(world, gathered, folder=out, settings=settings, resume=resume)
    click.echo(f"inverse  {out / 'inverse'}")
    click.echo(f"metrics  {out / 'metrics.csv'}")
    click.echo(f'Next: `InversePolicy(leworld.load("{model}"), load_inverse("{out / "inverse"}"))` in Python')


def _changed(settings: "TrainSettings", seed: int, changes: dict[str, Any]) -> "TrainSettings":
    """Put what the user gave into a recipe's settings."""
    given = _given(**changes)
    optimizer = settings.optimizer
    if "learning_rate" in given:
        optimizer = replace(optimizer, learning_rate=given.pop("learning_rate"))
    return replace(settings, seed=seed, optimizer=optimizer, **given)


def _given(**options: Any) -> dict[str, Any]:
    """Leave out the options that the user did not give."""
    return {name: value for name, value in options.items() if value is not None}


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Say a warning in one line, without the place in the code that raised it."""
    click.echo(f"Warning: {' '.join(str(message).split())}", err=True)
