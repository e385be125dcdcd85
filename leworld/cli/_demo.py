"""`leworld demo`: a shipped model plans before your eyes."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ._measure import result_names, write_result
from ._options import out_option, overwrite_option, pairs_option, seed_option
from ._out import check_files

if TYPE_CHECKING:
    from ..tasks import Task

_EPILOG = """Examples:

\b
  leworld demo                    24 pairs, results under runs/demo
  leworld demo --pairs 8          a quicker look
  leworld demo --world arm --out runs/demo-arm
"""


@click.command(short_help="Watch a small pretrained model plan.", epilog=_EPILOG)
@click.option(
    "--world",
    default="tworoom",
    show_default=True,
    help="A task whose model ships with leworld: see `leworld list`.",
)
@pairs_option(24)
@seed_option("the pairs and the planner's noise")
@out_option("the numbers (JSON), a picture and a film", Path("runs/demo"))
@overwrite_option("the results of an earlier demo there")
def demo(world: str, num_pairs: int, seed: int, out: Path, overwrite: bool) -> None:
    """Watch a small pretrained world model plan, in under three minutes.

    A model that ships with leworld sees small pictures only. On held-out pairs of start and goal it plans
    with 300 candidates and 30 rounds of CEM; random actions and a planner that knows the true dynamics play
    the same pairs beside it.
    """
    from ..hub import load

    task, name = _shipped(world)
    check_files(out, result_names("demo"), overwrite=overwrite)
    click.echo(f"Loading {name} and drawing {num_pairs} pairs from fresh episodes ...")
    model = load(name)
    pairs = task.pairs(task.protocols[0], num_pairs, seed=seed)
    result = task.play(model, pairs, seed=seed)
    click.echo(result)
    click.echo()
    write_result(result, out, "demo")
    click.echo()
    further = f" --protocol {task.protocols[-1]}" if len(task.protocols) > 1 else ""
    click.echo(f"Next: `leworld plan {name}{further}`, or `leworld train {task.name}`.")


def _shipped(world: str) -> tuple["Task", str]:
    """Return the task of a name and the model of it that ships with leworld."""
    from ..tasks import get_task, list_tasks

    worlds = {task.name: task for task in map(get_task, list_tasks()) if task.shipped_model is not None}
    if world not in worlds:
        raise click.BadParameter(
            f"no model of {world!r} ships with leworld. There are: {', '.join(worlds)}.",
            param_hint="--world",
        )
    return worlds[world], str(worlds[world].shipped_model)
