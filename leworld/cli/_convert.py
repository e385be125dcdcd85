"""`leworld convert`: from one checkpoint layout to the other."""

from pathlib import Path

import click

from ._options import Place, overwrite_option
from ._out import check_checkpoint

_EPILOG = """Examples:

\b
  leworld convert lewm-pusht runs/pusht                     published weights as safetensors
  leworld convert runs/mine runs/theirs --to released       ours, for tools that read the published layout
"""


@click.command(short_help="Convert a checkpoint to another layout.", epilog=_EPILOG)
@click.argument("source")
@click.argument("folder", type=Place(folder=True))
@click.option(
    "--to",
    "layout",
    type=click.Choice(["leworld", "released"]),
    default="leworld",
    show_default=True,
    help="leworld's own layout, or that of the published LeWM weights (config.json and weights.pt).",
)
@overwrite_option("an earlier checkpoint in FOLDER")
def convert(source: str, folder: Path, layout: str, overwrite: bool) -> None:
    """Read the model SOURCE of either layout and write it to FOLDER in the chosen one.

    SOURCE is a name from `leworld list`, hf-hub:owner/repository, or a folder. Weights are copied bit for
    bit.
    """
    from .. import hub

    check_checkpoint(folder, overwrite=overwrite)
    written = hub.convert(
        source, folder, layout="released" if layout == "released" else "leworld", overwrite=overwrite
    )
    click.echo(f"written  {written}")
