"""`leworld surprise`: does the model notice when the impossible happens?"""

from pathlib import Path

import click

from ..errors import MissingExtraError

_KINDS = ("teleport", "colour", "freeze", "reversal", "vanish")
_WALL = 12.0
_EPILOG = """Examples:

\b
  leworld surprise lewm-tworoom-tiny                       all kinds of events
  leworld surprise runs/mine --kind teleport --episodes 40
  leworld surprise lewm-pusht --data pusht_val.h5          events in recorded pixels
"""


@click.command(short_help="Measure whether a model notices impossible events.", epilog=_EPILOG)
@click.argument("model")
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="HDF5 file of episodes that the model was not trained on.  [default: fresh ones of TwoRoom]",
)
@click.option(
    "--kind", "kinds", type=click.Choice(_KINDS), multiple=True, help="Kind of event.  [default: all]"
)
@click.option("--episodes", type=click.IntRange(min=3), default=200, show_default=True, help="To collect.")
@click.option(
    "--false-alarm-rate",
    type=click.FloatRange(min=0, max=1, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
    help="Share of normal frames that may raise an alarm.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides episodes and events."
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the numbers (JSON) and a picture.",
)
def surprise(
    model: str,
    data: Path | None,
    kinds: tuple[str, ...],
    episodes: int,
    false_alarm_rate: float,
    seed: int,
    out: Path | None,
) -> None:
    """Disturb held-out episodes and print how often MODEL raises an alarm at the frame of the event.

    MODEL is a name from `leworld list`, or a folder that holds a model. Half of the episodes set the alarm's
    threshold. In TwoRoom, false alarms in the doorway are counted apart.
    """
    import numpy as np

    from ..envs import TwoRoomArena
    from ..evaluation import surprise as measure
    from ..hub import load
    from ._episodes import held_out

    loaded = load(model)
    found = held_out(loaded, data, episodes, seed=seed)
    arena = TwoRoomArena() if data is None else None
    crossing = None
    if arena is not None:
        crossing = {"in the doorway": np.abs(found.columns["state"][:, 0] - arena.wall) < _WALL}
    result = measure(
        loaded,
        found,
        kinds=kinds or _KINDS,
        world=arena,
        false_alarm_rate=false_alarm_rate,
        normal_events=crossing,
        seed=seed,
    )
    click.echo(result)
    if out is not None:
        click.echo()
        click.echo(f"numbers  {result.save(out / 'surprise.json')}")
        if result.rows:
            try:
                click.echo(f"picture  {result.plot(out / 'surprise.png')}")
            except MissingExtraError as error:
                click.echo(f"picture  not written: {error}")
