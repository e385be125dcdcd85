"""`leworld probe`: which physical quantities an embedding holds."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import DataError, LeWorldError, MissingExtraError
from ._options import (
    MOST,
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

if TYPE_CHECKING:
    from ..evaluation import Quantity

_EPILOG = """Examples:

\b
  leworld probe lewm-tworoom-tiny                        the agent's position, linear and MLP
  leworld probe runs/mine --episodes 30 --linear         a quick look at your own model
  leworld probe lewm-pusht --data pusht_val.h5 \\
      --quantity agent=state:0,1 --quantity angle=state:4:angle
"""


@click.command(short_help="Measure what a model's embedding knows.", epilog=_EPILOG)
@click.argument("model")
@data_option()
@camera_option()
@task_option()
@class_option()
@click.option(
    "--quantity",
    "quantities",
    multiple=True,
    help="NAME=COLUMN[:COMPONENTS[:KIND]], for example angle=state:4:angle; KIND is number, angle (radians), "
    "quaternion or class (numbers 0, 1, ...). May be given several times.  [default: the task's, or "
    "state=state]",
)
@episodes_option(100, at_least=3)
@click.option(
    "--stride",
    type=click.IntRange(min=1, max=MOST),
    default=5,
    show_default=True,
    help="Look at every n-th frame.",
)
@click.option("--linear", "linear_only", is_flag=True, help="Leave out the MLP probe, which takes longer.")
@seed_option("episodes and split")
@out_option("the numbers (JSON) and a picture")
@overwrite_option("earlier results in that folder")
def probe(
    model: str,
    data: Path | None,
    cameras: tuple[str, ...],
    place: str | None,
    classes: tuple[str, ...],
    quantities: tuple[str, ...],
    episodes: int,
    stride: int,
    linear_only: bool,
    seed: int,
    out: Path | None,
    overwrite: bool,
) -> None:
    """Fit probes on embeddings of MODEL and print what they read off, on episodes set aside.

    MODEL is a name from `leworld list`, or a folder that holds a model. Columns are MSE of standardised
    targets, Pearson's r, and R2 with its 95 % interval over episodes. Below stands what losses do not show:
    whether each part of the observation matters, what a probe finds in the pixels and not in the embedding,
    and how the plan that works ranks among others.
    """
    from ..evaluation import diagnose, probing, recorded_quantities
    from ..probes import MLPProbe, RidgeProbe
    from ._episodes import held_out, known_task, load_model

    named = dict(read_quantity(text) for text in quantities)
    if out is not None:
        check_files(out, ("probe.json", "probe.png", "diagnosis.json"), overwrite=overwrite)
    loaded = load_model(model, classes)
    task = known_task(loaded, place)
    found = held_out(loaded, task, data, episodes, cameras=cameras, seed=seed)
    if not named:
        named = recorded_quantities(found) if task is None else dict(task.quantities)
    if not named:
        raise DataError(
            "leworld probe needs something to read: a column `state` or `proprio`, or one that you name",
            f"the episodes have the columns {sorted(found.columns)}",
            "Name one with --quantity NAME=COLUMN",
        )
    result = probing(
        {type(loaded).__name__: loaded},
        found,
        quantities=named,
        probes={"linear": RidgeProbe} if linear_only else {"linear": RidgeProbe, "MLP": MLPProbe},
        stride=stride,
        seed=seed,
        progress=True,
    )
    click.echo(result)
    click.echo()
    diagnosis = None
    try:
        diagnosis = diagnose(
            loaded, found, quantities=named, probe=RidgeProbe if linear_only else MLPProbe, seed=seed
        )
        click.echo(diagnosis)
    except LeWorldError as error:
        click.echo(f"diagnosis not made: {error}")
    if out is not None:
        click.echo()
        click.echo(f"numbers  {result.save(out / 'probe.json', overwrite=True)}")
        if diagnosis is not None:
            click.echo(f"numbers  {diagnosis.save(out / 'diagnosis.json', overwrite=True)}")
        try:
            click.echo(f"picture  {result.plot(out / 'probe.png', overwrite=True)}")
        except MissingExtraError as error:
            click.echo(f"picture  not written: {error}")


def read_quantity(text: str) -> tuple[str, "Quantity"]:
    """Read what `--quantity` takes: NAME=COLUMN[:COMPONENTS[:KIND]]."""
    from ..evaluation import Quantity

    name, found, rest = text.partition("=")
    column, _, rest = rest.partition(":")
    components, _, kind = rest.partition(":")
    try:
        numbers = tuple(int(part) for part in components.split(",")) if components else None
    except ValueError:
        numbers, found = None, ""
    if not (name and found and column):
        raise click.BadParameter(
            f"{text!r} is not NAME=COLUMN[:COMPONENTS[:KIND]], for example angle=state:4:angle.",
            param_hint="--quantity",
        )
    return name, Quantity(column, numbers, kind or "number")  # pyright: ignore[reportArgumentType] -- it checks
