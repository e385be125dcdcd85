"""`leworld stats`: the action statistics that some published weights lack."""

import json
from pathlib import Path

import click

from .._table import table
from ._options import Place, RegularFile, overwrite_option
from ._out import check_checkpoint

_EPILOG = """Examples:

\b
  leworld stats pusht_expert_train.h5                           print mean and deviation
  leworld stats reacher.h5 --model lewm-reacher --out runs/r    and save a model that can act
"""


@click.command(short_help="Compute the action statistics of a dataset.", epilog=_EPILOG)
@click.argument("dataset", type=RegularFile())
@click.option("--column", default="action", show_default=True, help="Name of the action column.")
@click.option("--model", help="A model to give the statistics to; needs --out.")
@click.option(
    "--out",
    type=Place(folder=True),
    help="Folder to save that model in, ready to act.",
)
@overwrite_option("an earlier checkpoint in that folder")
def stats(dataset: Path, column: str, model: str | None, out: Path | None, overwrite: bool) -> None:
    """Compute the action statistics of the HDF5 file DATASET by reading its action column only.

    Weights that were published without action statistics cannot act. Take the dataset that they were trained
    on, unpacked.
    """
    if (model is None) != (out is None):
        raise click.UsageError("--model and --out belong together.")
    from ..data import action_statistics
    from ..hub import load, save

    if out is not None:
        check_checkpoint(out, overwrite=overwrite)
    found = action_statistics(dataset, column=column)
    rows = [
        (str(i), f"{m:.6g}", f"{s:.6g}") for i, (m, s) in enumerate(zip(found.mean, found.std, strict=True))
    ]
    click.echo(table([("component", "mean", "std"), *rows]))
    click.echo()
    click.echo(json.dumps({"mean": found.mean, "std": found.std, "source": found.source}))
    if model is not None and out is not None:
        loaded = load(model).with_action_stats(found)
        written = save(loaded, out, provenance={"converted_from": model}, overwrite=overwrite)
        click.echo(f"written  {written}")
