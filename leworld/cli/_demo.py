"""`leworld demo`: the shipped model plans before your eyes."""

from pathlib import Path

import click

from ._measure import result_names, write_result
from ._options import out_option, overwrite_option, pairs_option, seed_option
from ._out import check_files

_EPILOG = """Examples:

\b
  leworld demo                    24 pairs, results under runs/demo
  leworld demo --pairs 8          a quicker look
"""

_MODEL = "lewm-tworoom-tiny"


@click.command(short_help="Watch a small pretrained model plan.", epilog=_EPILOG)
@pairs_option(24)
@seed_option("the pairs and the planner's noise")
@out_option("the numbers (JSON), a picture and a film", Path("runs/demo"))
@overwrite_option("the results of an earlier demo there")
def demo(num_pairs: int, seed: int, out: Path, overwrite: bool) -> None:
    """Watch a small pretrained world model plan through a door, in under three minutes.

    The model that ships with leworld sees 64 x 64 pixels only. On held-out pairs of start and goal it plans
    with 300 candidates and 30 rounds of CEM; random actions and a planner that knows the true dynamics play
    the same pairs beside it.
    """
    from ..hub import load
    from ..tasks import task_of

    check_files(out, result_names("demo"), overwrite=overwrite)
    click.echo(f"Loading {_MODEL} and drawing {num_pairs} pairs from fresh episodes ...")
    model = load(_MODEL)
    task = task_of(model)
    pairs = task.pairs(task.protocols[0], num_pairs, seed=seed)
    result = task.play(model, pairs, seed=seed)
    click.echo(result)
    click.echo()
    write_result(result, out, "demo")
    click.echo()
    click.echo("Next: `leworld plan lewm-tworoom-tiny --protocol cross-door`, or `leworld train tworoom`.")
