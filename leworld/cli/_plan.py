"""`leworld plan`: measure how often a model reaches its goals."""

from pathlib import Path

import click

from ._measure import PROTOCOLS, draw_pairs, measure, write_result
from ._options import out_option, pairs_option, seed_option

_EPILOG = """Examples:

\b
  leworld plan lewm-tworoom-tiny                           100 pairs of trajectory-25
  leworld plan lewm-tworoom-tiny --protocol cross-door     through the door
  leworld plan runs/mine --pairs 20 --iterations 10        a quick look at your own model
  leworld plan runs/mine --out runs/mine-plan              also numbers, picture and film
"""


@click.command(short_help="Measure how often a model reaches its goals.", epilog=_EPILOG)
@click.argument("model")
@click.option(
    "--protocol",
    type=click.Choice(PROTOCOLS),
    default=PROTOCOLS[0],
    show_default=True,
    help="Which starts and goals: 25 steps apart in an expert's episode, 40 to 110 units apart in one room, "
    "or on opposite sides of the door.",
)
@pairs_option(100)
@seed_option("the pairs and the planner's noise")
@click.option(
    "--iterations", type=click.IntRange(min=1), default=30, show_default=True, help="Rounds of CEM a plan."
)
@click.option(
    "--samples",
    type=click.IntRange(min=2),
    default=300,
    show_default=True,
    help="Candidate plans a round; the best tenth shapes the next round.",
)
@click.option(
    "--baselines/--no-baselines",
    default=True,
    show_default=True,
    help="Also play random actions and a planner that knows the true dynamics.",
)
@out_option("the numbers (JSON), a picture and a film")
def plan(
    model: str,
    protocol: str,
    num_pairs: int,
    seed: int,
    iterations: int,
    samples: int,
    baselines: bool,
    out: Path | None,
) -> None:
    """Let MODEL plan its way to goals in TwoRoom and count how often it arrives.

    MODEL is a name from `leworld list`, or a folder that holds a model. Prints a table with 95 % Wilson
    intervals.
    """
    from ..hub import load
    from ..planners import CEMPlanner

    loaded = load(model)
    planner = CEMPlanner(num_samples=samples, num_elites=max(1, samples // 10), num_iterations=iterations)
    result = measure(
        loaded, draw_pairs(protocol, num_pairs, seed=seed), planner, seed=seed, baselines=baselines
    )
    click.echo(result)
    if out is not None:
        click.echo()
        write_result(result, out, protocol)
