"""`leworld compare`: train and plan several models on one task alike, and write one table."""

from dataclasses import replace
from pathlib import Path

import click

from ..errors import MissingExtraError
from ._memory import check_memory, pictures
from ._options import (
    LARGEST_SEED,
    MOST,
    MOST_EPISODES,
    MOST_PAIRS,
    Place,
    recipe_episodes_option,
    search_options,
)
from ._out import prove_writable

_LARGEST_BATCH = 2**16
_EPILOG = """Examples:

\b
  leworld compare --task tworoom                                  all known models, three seeds each
  leworld compare --task tworoom --models lewm,pldm --steps 1500  two of them, for fewer steps
  leworld compare --task tworoom --models lewm,mine.py:MINE       one of your own, a leworld.tasks.Contender
  leworld compare --task arm.py:Arm --models lewm --seeds 0       in a world of your own
  leworld compare --task tworoom --out runs/compare               go on after an interruption: the same call
"""


@click.command(short_help="Train and measure several models alike.", epilog=_EPILOG)
@click.option("--task", "place", required=True, help="Name of a task, or FILE.py:NAME; its code is run.")
@click.option(
    "--models",
    help="Models, separated by commas: known names, or FILE.py:NAME of a leworld.tasks.Contender; its code "
    "is run. The first is the measure for the operations of a plan.  [default: all known]",
)
@click.option("--seeds", default="0,1,2", show_default=True, help="Seeds, separated by commas.")
@click.option("--steps", type=click.IntRange(min=1, max=MOST), help="Steps a model.  [default: the recipe's]")
@click.option(
    "--batch-size",
    type=click.IntRange(min=2, max=_LARGEST_BATCH),
    help="Windows a step.  [default: the recipe's]",
)
@recipe_episodes_option()
@click.option("--protocol", "protocols", multiple=True, help="May be repeated.  [default: the task's all]")
@click.option(
    "--pairs",
    "num_pairs",
    type=click.IntRange(min=1, max=MOST_PAIRS),
    default=50,
    show_default=True,
    help="Pairs of start and goal a protocol and seed.",
)
@click.option(
    "--probed",
    type=click.IntRange(min=3, max=MOST_EPISODES),
    default=50,
    show_default=True,
    help="Held-out episodes to probe.",
)
@search_options(10)
@click.option(
    "--out",
    type=Place(folder=True),
    default=Path("runs/compare"),
    show_default=True,
    help="Folder for the trainings, which are resumed, and for compare.json and compare.png, which are "
    "written anew.",
)
def compare(
    place: str,
    models: str | None,
    seeds: str,
    steps: int | None,
    batch_size: int | None,
    episodes: int | None,
    protocols: tuple[str, ...],
    num_pairs: int,
    probed: int,
    iterations: int,
    samples: int,
    out: Path,
) -> None:
    """Train models on one task and measure them alike: goals reached, what is known, and what it costs.

    For every seed all models get the same episodes, steps, pairs and held-out episodes, and plan with the
    same samples and iterations, then with a search of no more operations than a plan of the first model.
    What is done already is not done again; more models and seeds are added.
    """
    numbers = read_seeds(seeds)
    prove_writable(out)
    from ..planners import CEMPlanner
    from ..tasks import compare as compare_models
    from ..tasks import get_task, load_task

    task = load_task(place) if ":" in place else get_task(place)
    recipe = task.recipe()
    given = {"num_steps": steps, "batch_size": batch_size}
    settings = replace(recipe.settings, **{name: value for name, value in given.items() if value is not None})
    recipe = replace(recipe, settings=settings, num_episodes=episodes or recipe.num_episodes)
    size = pictures(recipe.num_episodes, task.episode_steps, task.image_size)
    check_memory("--episodes", recipe.num_episodes, size)
    result = compare_models(
        task,
        None if models is None else models.split(","),
        folder=out,
        seeds=numbers,
        recipe=recipe,
        planner=CEMPlanner(num_samples=samples, num_iterations=iterations),
        protocols=protocols or None,
        num_pairs=num_pairs,
        num_probed=probed,
    )
    click.echo(result)
    click.echo()
    click.echo(f"numbers  {result.save(out / 'compare.json', overwrite=True)}")
    try:
        click.echo(f"picture  {result.plot(out / 'compare.png', overwrite=True)}")
    except MissingExtraError as error:
        click.echo(f"picture  not written: {error}")


def read_seeds(text: str) -> tuple[int, ...]:
    """Read numbers separated by commas."""
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        numbers = (-1,)
    if not all(0 <= number <= LARGEST_SEED for number in numbers):
        raise click.BadParameter(f"{text!r} is not a list of seeds such as 0,1,2.", param_hint="--seeds")
    return numbers
