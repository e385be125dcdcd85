"""`leworld surprise`: does the model notice when the impossible happens?"""

from pathlib import Path

import click

from ..errors import MissingExtraError
from ._options import (
    FiniteRange,
    camera_option,
    class_option,
    data_option,
    episodes_option,
    out_option,
    overwrite_option,
    seed_option,
    task_option,
)
from ._out import check_files

_KINDS = ("teleport", "colour", "freeze", "reversal", "vanish")
_EPILOG = """Examples:

\b
  leworld surprise lewm-tworoom-tiny                       all kinds of events
  leworld surprise runs/mine --kind teleport --episodes 40
  leworld surprise lewm-tworoom-tiny --episodes 1200 --false-alarm-rate 0.0001 --kind teleport
  leworld surprise lewm-pusht --data pusht_val.h5          events in recorded pixels
"""


@click.command(short_help="Measure whether a model notices impossible events.", epilog=_EPILOG)
@click.argument("model")
@data_option()
@camera_option()
@task_option()
@class_option()
@click.option(
    "--kind", "kinds", type=click.Choice(_KINDS), multiple=True, help="Kind of event.  [default: the task's]"
)
@episodes_option(200, at_least=3)
@click.option(
    "--false-alarm-rate",
    "rates",
    type=FiniteRange(min=0, max=1, min_open=True, max_open=True),
    multiple=True,
    default=(0.05, 0.01, 0.001),
    show_default=True,
    help="Share of normal frames that may raise an alarm. May be given several times.",
)
@seed_option("episodes and events")
@out_option("the numbers (JSON) and a picture")
@overwrite_option("earlier results in that folder")
def surprise(
    model: str,
    data: Path | None,
    cameras: tuple[str, ...],
    place: str | None,
    classes: tuple[str, ...],
    kinds: tuple[str, ...],
    episodes: int,
    rates: tuple[float, ...],
    seed: int,
    out: Path | None,
    overwrite: bool,
) -> None:
    """Disturb held-out episodes and print how often MODEL raises an alarm at the frame of the event.

    MODEL is a name from `leworld list`, or a folder that holds a model. Half of the episodes set the alarm's
    thresholds. Where the task knows rare but normal moments, such as passing a door, false alarms at them are
    counted apart.
    """
    from ..evaluation import surprise as measure
    from ._episodes import held_out, known_task, load_model

    if out is not None:
        check_files(out, ("surprise.json", "surprise.png"), overwrite=overwrite)
    loaded = load_model(model, classes)
    task = known_task(loaded, place)
    found = held_out(loaded, task, data, episodes, cameras=cameras, seed=seed)
    here = None if data is not None and place is None else task  # recorded elsewhere: no exact world
    result = measure(
        loaded,
        found,
        kinds=kinds or (_KINDS if here is None else here.events),
        world=None if here is None else here.world,
        false_alarm_rates=rates,
        normal_events=None if here is None else here.normal_events(found),
        seed=seed,
        progress=True,
    )
    click.echo(result)
    if out is not None:
        click.echo()
        click.echo(f"numbers  {result.save(out / 'surprise.json', overwrite=True)}")
        if result.rows:
            try:
                click.echo(f"picture  {result.plot(out / 'surprise.png', overwrite=True)}")
            except MissingExtraError as error:
                click.echo(f"picture  not written: {error}")
