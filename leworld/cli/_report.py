"""`leworld report`: one page of everything that a model knows."""

from pathlib import Path

import click

from ._options import (
    MOST_PAIRS,
    Place,
    camera_option,
    class_option,
    data_option,
    episodes_option,
    overwrite_option,
    seed_option,
    task_option,
)
from ._out import check_files

_EPILOG = """Examples:

\b
  leworld report lewm-tworoom-tiny                          runs/report/lewm-tworoom-tiny.html
  leworld report runs/mine/model --out mine.html            your own model
  leworld report lewm-pusht --data pusht_val.h5 --quantity agent=state:0,1
"""


@click.command(short_help="Write an HTML page of all that a model knows.", epilog=_EPILOG)
@click.argument("model")
@data_option()
@camera_option()
@task_option()
@class_option()
@click.option(
    "--quantity",
    "quantities",
    multiple=True,
    help="What probes read, as in `leworld probe`. May be given several times.  [default: the task's]",
)
@click.option(
    "--decoder",
    type=click.Path(exists=True, path_type=Path),
    help="A decoder that `save_decoder` wrote.  [default: train a small one now]",
)
@episodes_option(100, at_least=12)
@click.option(
    "--pairs",
    type=click.IntRange(min=1, max=MOST_PAIRS),
    default=8,
    show_default=True,
    help="Pairs of start and goal to plan, where the task is known.",
)
@seed_option("all that is drawn")
@click.option(
    "--out",
    type=Place(folder=False),
    help="File to write.  [default: runs/report/MODEL.html]",
)
@overwrite_option("an earlier page")
def report(
    model: str,
    data: Path | None,
    cameras: tuple[str, ...],
    place: str | None,
    classes: tuple[str, ...],
    quantities: tuple[str, ...],
    decoder: Path | None,
    episodes: int,
    pairs: int,
    seed: int,
    out: Path | None,
    overwrite: bool,
) -> None:
    """Measure what MODEL knows and write one self-contained HTML page.

    MODEL is a name from `leworld list`, or a folder that holds a model. The page needs no network: card,
    training curves, Gaussianity, probes, surprise, planned episodes as films, imagined futures, latent maps.
    A part that cannot be made says why. Takes a few minutes for a small model.
    """
    from .._files import write_atomically
    from ..decoders import load_decoder
    from ..report import build_report
    from ._episodes import held_out, known_task, load_model
    from ._probe import read_quantity

    target = Path("runs/report") / f"{Path(model).name or 'model'}.html" if out is None else out
    check_files(target.parent, (target.name,), overwrite=overwrite)
    named = dict(read_quantity(text) for text in quantities)
    loaded = load_model(model, classes)
    painter = None if decoder is None else load_decoder(decoder)
    task = known_task(loaded, place)
    found = held_out(loaded, task, data, episodes, cameras=cameras, seed=seed)
    page = build_report(
        loaded,
        found,
        source=model,
        task=task,
        quantities=named or None,
        decoder=painter,
        num_pairs=pairs,
        seed=seed,
    )
    write_atomically(target, lambda path: path.write_text(page, encoding="utf-8"))
    click.echo(f"report   {target}  ({len(page.encode()) / 1e6:.1f} MB)")
