"""`leworld explore`: look at a model by hand, in the browser."""

import webbrowser
from pathlib import Path

import click

from ._options import camera_option, class_option, data_option, episodes_option, seed_option, task_option

_EPILOG = """Examples:

\b
  leworld explore lewm-tworoom-tiny                        then open the address that it prints
  leworld explore runs/mine/model --browser
  leworld explore runs/robot/model --data robot.h5         without a task: plans are imagined only
"""


@click.command(short_help="Look at a model by hand, in the browser.", epilog=_EPILOG)
@click.argument("model")
@data_option()
@camera_option()
@task_option()
@class_option()
@episodes_option(24, at_least=4)
@seed_option("the episodes, plans and where a teleport leads")
@click.option(
    "--port",
    type=click.IntRange(min=0, max=65535),
    default=0,
    show_default="any free one",
    help="Port of 127.0.0.1 to listen on.",
)
@click.option("--browser", is_flag=True, help="Open the page in the usual browser.")
def explore(
    model: str,
    data: Path | None,
    cameras: tuple[str, ...],
    place: str | None,
    classes: tuple[str, ...],
    episodes: int,
    seed: int,
    port: int,
    browser: bool,
) -> None:
    """Serve a page where one clicks a goal and sees MODEL plan, disturbs the world and sees its surprise.

    MODEL is a name from `leworld list`, or a folder that holds a model. The page is served on 127.0.0.1 only,
    at an address with a random token; pages of other sites cannot use it. Ctrl-C ends it, with exit code 130.
    """
    from ..explorer import Explorer, serve
    from ._episodes import held_out, known_task, load_model

    loaded = load_model(model, classes)
    task = known_task(loaded, place)
    found = held_out(loaded, task, data, episodes, cameras=cameras, seed=seed)
    here = None if data is not None and place is None else task  # recorded elsewhere: no exact world
    explorer = Explorer(loaded, found.select(slice(0, episodes)), task=here, seed=seed)

    def ready(address: str) -> None:
        click.echo(f"explorer  {address}  (Ctrl-C ends it)")
        if browser and not webbrowser.open(address):
            click.echo("Note: no browser could be opened; open the address by hand.", err=True)

    serve(explorer, port=port, on_ready=ready)
