"""`leworld plan`: measure how often a model reaches its goals."""

from pathlib import Path

import click

from ._episodes import find_task, load_model
from ._measure import result_names, write_result
from ._memory import candidates, check_memory
from ._options import (
    class_option,
    out_option,
    overwrite_option,
    pairs_option,
    search_options,
    seed_option,
    task_option,
)
from ._out import check_files, prove_writable

_EPILOG = """Examples:

\b
  leworld plan lewm-tworoom-tiny                           100 pairs of trajectory-25
  leworld plan lewm-tworoom-tiny --protocol cross-door     through the door
  leworld plan runs/mine --pairs 20 --iterations 10        a quick look at your own model
  leworld plan runs/mine --out runs/mine-plan              also numbers, picture and film
  leworld plan runs/arm/model --task arm.py:Arm            in a world of your own
"""


@click.command(short_help="Measure how often a model reaches its goals.", epilog=_EPILOG)
@click.argument("model")
@click.option(
    "--protocol",
    help="Which starts and goals, a protocol of the model's task. trajectory-25: what a held-out episode "
    "reached 25 steps later.  [default: the task's first]",
)
@task_option()
@class_option()
@pairs_option(100)
@seed_option("the pairs and the planner's noise")
@search_options(30)
@click.option(
    "--baselines/--no-baselines",
    default=True,
    show_default=True,
    help="Also play random actions and a planner that knows the true dynamics.",
)
@out_option("the numbers (JSON), a picture and a film")
@overwrite_option("earlier results in that folder")
def plan(
    model: str,
    protocol: str | None,
    place: str | None,
    classes: tuple[str, ...],
    num_pairs: int,
    seed: int,
    iterations: int,
    samples: int,
    baselines: bool,
    out: Path | None,
    overwrite: bool,
) -> None:
    """Let MODEL plan its way to goals in its world and count how often it arrives.

    MODEL is a name from `leworld list`, or a folder that holds a model. Prints a table with 95 % Wilson
    intervals.
    """
    from ..planners import CEMPlanner

    if out is not None:
        prove_writable(out)
    loaded = load_model(model, classes)
    planner = CEMPlanner(num_samples=samples, num_elites=max(1, samples // 10), num_iterations=iterations)
    task = find_task(loaded, place)
    protocol = task.protocols[0] if protocol is None else protocol
    if protocol not in task.protocols:
        raise click.BadParameter(
            f"the task `{task.name}` has {', '.join(task.protocols)}, not {protocol!r}.",
            param_hint="--protocol",
        )
    if out is not None:
        check_files(out, result_names(protocol), overwrite=overwrite)
    check_memory("--samples", samples, candidates(loaded, num_pairs, samples, planner.horizon))
    pairs = task.pairs(protocol, num_pairs, seed=seed)
    beside = ("random", "oracle") if baselines else ()
    result = task.play(loaded, pairs, planner=planner, baselines=beside, seed=seed)
    click.echo(result)
    if out is not None:
        click.echo()
        write_result(result, out, protocol)
