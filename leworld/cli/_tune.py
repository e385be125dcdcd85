"""`leworld tune`: find the regularizer's weight in few short trainings."""

from dataclasses import replace
from pathlib import Path

import click

from ..errors import MissingExtraError
from ._memory import check_memory, pictures
from ._options import MOST, FiniteRange, Place, recipe_episodes_option, seed_option, task_option
from ._out import prove_writable
from ._train import find_recipe_task

_MOST_RUNS = 99
_EPILOG = """Examples:

\b
  leworld tune tworoom                             its lambda, in minutes on a CPU
  leworld tune tworoom --runs 7                    go on from there, twice as fine
  leworld tune arm --task arm.py:Arm               in a world of your own
  leworld tune tworoom --low 1e-4 --high 0.01      where lambda is nearly known
  leworld tune tworoom --steps 1500 --out runs/long longer trainings, nearer to a whole one
"""


@click.command(short_help="Find LeWM's one hyper-parameter.", epilog=_EPILOG)
@click.argument("name", metavar="TASK")
@task_option()
@click.option(
    "--low",
    type=FiniteRange(min=0, min_open=True),
    default=5e-4,
    show_default=True,
    help="Lowest lambda to look at.",
)
@click.option(
    "--high",
    type=FiniteRange(min=0, min_open=True),
    default=0.5,
    show_default=True,
    help="Highest lambda to look at.",
)
@click.option(
    "--runs",
    "num_runs",
    type=click.IntRange(min=3, max=_MOST_RUNS),
    default=5,
    show_default=True,
    help="Trainings; two more halve what is left of the range.",
)
@click.option(
    "--steps",
    "num_steps",
    type=click.IntRange(min=1, max=MOST),
    help="Optimizer steps of each.  [default: a fifth of the recipe's]",
)
@recipe_episodes_option()
@seed_option("data, initial weights, batches and problems, alike for all trainings")
@click.option(
    "--out",
    type=Place(folder=True),
    help="Folder for the trainings, which are kept and gone on with, and for tune.json and tune.png, which "
    "are written anew.  [default: runs/tune-TASK]",
)
def tune(
    name: str,
    place: str | None,
    low: float,
    high: float,
    num_runs: int,
    num_steps: int | None,
    episodes: int | None,
    seed: int,
    out: Path | None,
) -> None:
    """Find lambda, the weight of SIGReg, for TASK, without playing in it.

    A few short trainings, each judged on recorded episodes: does planning in the model find what they did?
    The range of lambda around the best is halved again and again. Ends with a table and with advice. The
    same call goes on after an interruption.
    """
    if high < 2 * low:
        raise click.BadParameter(f"{high:g} is less than twice --low {low:g}.", param_hint="--high")
    out = Path("runs", f"tune-{name}") if out is None else out
    prove_writable(out)
    task = find_recipe_task(name, place)
    from ..tasks import tune as tune_task

    recipe = task.recipe()
    recipe = replace(recipe, num_episodes=episodes or recipe.num_episodes)
    size = pictures(recipe.num_episodes, task.episode_steps, task.image_size)
    check_memory("--episodes", recipe.num_episodes, size)
    result = tune_task(
        task,
        folder=out,
        recipe=recipe,
        low=low,
        high=high,
        num_runs=num_runs,
        num_steps=num_steps,
        seed=seed,
    )
    if place is not None:
        own = result.next_step.replace("--lambda {weight}", f"--lambda {{weight}} --task {place}")
        result = replace(result, next_step=own)
    click.echo(result)
    click.echo()
    click.echo(f"numbers  {result.save(out / 'tune.json', overwrite=True)}")
    try:
        click.echo(f"picture  {result.plot(out / 'tune.png', overwrite=True)}")
    except MissingExtraError as error:
        click.echo(f"picture  not written: {error}")
