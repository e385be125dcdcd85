"""`leworld export`: a model as programs for runtimes without leworld."""

from pathlib import Path

import click

from ._options import Place, overwrite_option
from ._out import prove_beside

_EPILOG = """Examples:

\b
  leworld export lewm-tworoom-tiny --out runs/robot                 encoder.onnx, predictor.onnx
  leworld export runs/mine --format pt2 --out runs/mine-exported    for torch.export.load
"""


@click.command(short_help="Export a model to ONNX or torch.export.", epilog=_EPILOG)
@click.argument("name")
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["onnx", "pt2"]),
    default="onnx",
    show_default=True,
    help="ONNX (needs the extra `export`), or torch.export's own format.",
)
@click.option(
    "--out",
    type=Place(folder=True),
    required=True,
    help="Folder to write the programs and export.json to.",
)
@overwrite_option("an earlier export in that folder")
def export(name: str, file_format: str, out: Path, overwrite: bool) -> None:
    """Write the encoder and the predictor of the model NAME as programs that run without leworld.

    NAME is a name from `leworld list`, hf-hub:owner/repository, or a folder. Each program is compared with
    the model before it is kept.
    """
    from .. import hub

    prove_beside(out)
    chosen = "pt2" if file_format == "pt2" else "onnx"
    written = hub.export(hub.load(name), out, format=chosen, overwrite=overwrite)
    click.echo(f"written  {written}")
