"""`leworld pack`: write recorded episodes to a store that training reads as fast as memory."""

import sys
from pathlib import Path

import click

from ._options import LARGEST_SIDE, DataPath, Place, camera_choice, camera_option, overwrite_option
from ._out import prove_beside

_EPILOG = """Examples:

\b
  leworld pack pusht_expert_train.h5 pusht64 --size 64      decode and resize once
  leworld train --data pusht64                              and train on it
  leworld pack my_lerobot_set robot --size 64 --camera top  keep one camera, as what the model sees
  leworld pack other_set robot --size 64 --camera top --append
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
@camera_option()
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
    """Write the episodes of SOURCES to a packed store in FOLDER.

    A source is a packed store, an HDF5 file of stable-worldmodel, robomimic or LIBERO, a zarr buffer of
    diffusion policy, or a folder of LeRobot, DINO-WM, Minari, stable-worldmodel, or of videos or pictures
    with tables of actions. Formats other than HDF5 and stores need the extra `robots`.

    Pictures are decoded once, resized once and stored as plain bytes, a million frames of 64 pixels in 12 GB.
    `leworld train --data FOLDER` reads batches from it as fast as from memory, however large it is. A call
    that was interrupted, made again, goes on where it stopped.
    """
    if append and overwrite:
        raise click.UsageError("--append and --overwrite exclude each other.")
    from ..data import open_episodes, open_store, write_store

    prove_beside(folder)
    chosen = camera_choice(cameras)
    episodes = [open_episodes(source, cameras=chosen) for source in sources]
    write_store(
        folder,
        episodes,
        image_size=size,
        append=append,
        overwrite=overwrite,
        progress=sys.stderr.isatty(),
    )
    click.echo(f"store  {folder}")
    click.echo(str(open_store(folder)))
    click.echo(f"Next: `leworld train --data {folder}`")
