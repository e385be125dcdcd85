"""`leworld pack`: write recorded episodes to a store that training reads as fast as memory."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ._options import LARGEST_SIDE, DataPath, Place, overwrite_option
from ._out import prove_beside

if TYPE_CHECKING:
    from ..data import Episodes

_EPILOG = """Examples:

\b
  leworld pack pusht_expert_train.h5 pusht64 --size 64      decode and resize once
  leworld train --data pusht64                              and train on it
  leworld pack monday.h5 robot --camera pixels_top=pixels   keep one camera, under the usual name
  leworld pack tuesday.h5 robot --camera pixels_top=pixels --append
  leworld pack robot other both                             several sources are merged
"""


@click.command(short_help="Write episodes to a store for fast training.", epilog=_EPILOG)
@click.argument("sources", nargs=-1, required=True, type=DataPath())
@click.argument("folder", type=Place(folder=True))
@click.option(
    "--size",
    type=click.IntRange(min=1, max=LARGEST_SIDE),
    help="Side of the square pictures.  [default: as they are]",
)
@click.option(
    "--camera",
    "cameras",
    metavar="NAME[=NEW]",
    multiple=True,
    help="Column of pictures to keep, under a new name if one is given. May be repeated.  [default: all]",
)
@click.option("--append", is_flag=True, help="Add to the store that is in FOLDER.")
@overwrite_option("the store that is in FOLDER")
def pack(
    sources: tuple[Path, ...],
    folder: Path,
    size: int | None,
    cameras: tuple[str, ...],
    append: bool,
    overwrite: bool,
) -> None:
    """Write the episodes of SOURCES, HDF5 files or packed stores, to a packed store in FOLDER.

    Pictures are decoded once, resized once and stored as plain bytes, a million frames of 64 pixels in 12 GB.
    `leworld train --data FOLDER` reads batches from it as fast as from memory, however large it is. A call
    that was interrupted, made again, goes on where it stopped.
    """
    if append and overwrite:
        raise click.UsageError("--append and --overwrite exclude each other.")
    from ..data import open_store, write_store

    prove_beside(folder)
    named = dict(_renaming(text) for text in cameras)
    episodes = [_opened(source, tuple(named)) for source in sources]
    write_store(
        folder,
        episodes,
        image_size=size,
        cameras=named or None,
        append=append,
        overwrite=overwrite,
        progress=sys.stderr.isatty(),
    )
    click.echo(f"store  {folder}")
    click.echo(str(open_store(folder)))
    click.echo(f"Next: `leworld train --data {folder}`")


def _renaming(text: str) -> tuple[str, str]:
    old, _, new = text.partition("=")
    if not old or (not new and "=" in text):
        raise click.BadParameter(f"{text!r} is no NAME or NAME=NEW.", param_hint="--camera")
    return old, new or old


def _opened(source: Path, cameras: tuple[str, ...]) -> "Episodes":
    """Open a source; further cameras of an HDF5 file are there only if they are named."""
    from ..data import open_episodes, open_hdf5

    episodes = open_episodes(source)
    missing = [name for name in cameras if name != "pixels" and name not in episodes.columns]
    return open_hdf5(source, extra_columns=missing) if missing and source.is_file() else episodes
