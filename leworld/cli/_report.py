"""`leworld report`: one page of everything that a model knows."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .._files import run_name
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

if TYPE_CHECKING:
    from ..data import Episodes
    from ..models import WorldModel
    from ..tasks import Task

_TAKEN = {"random", "oracle", "copy", "shuffled", "probe"}  # names of baselines
_EPILOG = """Examples:

\b
  leworld report lewm-tworoom-tiny                          runs/report/lewm-tworoom-tiny.html
  leworld report runs/mine/model --out mine.html            your own model
  leworld report runs/a/model runs/b/model                  two models side by side
  leworld report lewm-pusht --data pusht_val.h5 --quantity agent=state:0,1
"""


@click.command(short_help="Write an HTML page of all that a model knows.", epilog=_EPILOG)
@click.argument("model")
@click.argument("other", required=False)
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
    other: str | None,
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
    """Measure what MODEL knows, compare it with OTHER if that is named, and write one self-contained page.

    MODEL and OTHER are names from `leworld list`, or folders that hold a model. The page needs no network: a
    verdict, card, training curves, Gaussianity, probes, surprise, planned episodes as films, imagined
    futures, latent maps. Two models are measured on the same episodes and pairs, and a table says which is
    better, with intervals. A part that cannot be made says why. Takes a few minutes for a small model.
    """
    from .._files import write_atomically
    from ..decoders import load_decoder
    from ..report import build_report, compare_report
    from ._episodes import held_out, known_task, load_model
    from ._probe import read_quantity

    names = [Path(place).name or "model" for place in (model, *([] if other is None else [other]))]
    target = Path("runs/report") / f"{'-and-'.join(names)}.html" if out is None else out
    check_files(target.parent, (target.name,), overwrite=overwrite)
    if other is not None and decoder is not None:
        raise click.UsageError("--decoder belongs to one model; a page of two trains one for each")
    named = dict(read_quantity(text) for text in quantities)
    loaded = load_model(model, classes)
    painter = None if decoder is None else load_decoder(decoder)
    task = known_task(loaded, place)
    second = None if other is None else load_model(other, classes)
    found = held_out(loaded, task, data, episodes, cameras=cameras, seed=seed)
    if second is None or other is None:
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
    else:
        places = dict(zip(_two_names(model, other), (model, other), strict=True))
        page = compare_report(
            dict(zip(places, (loaded, second), strict=True)),
            _unseen_by(second, found),
            sources=places,
            task=_same_task(task, second, other, place),
            quantities=named or None,
            num_pairs=pairs,
            seed=seed,
        )
    write_atomically(target, lambda path: path.write_text(page, encoding="utf-8"))
    click.echo(f"report   {target}  ({len(page.encode()) / 1e6:.1f} MB)")


def _two_names(model: str, other: str) -> tuple[str, str]:
    """Return short names of two runs that differ."""
    names = run_name(model), run_name(other)
    plain = [re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") for name in names]
    apart = plain[0] != plain[1] and all(plain) and not _TAKEN & set(names)
    return names if apart else (f"A {names[0]}", f"B {names[1]}")


def _same_task(task: "Task | None", second: "WorldModel", other: str, place: str | None) -> "Task | None":
    """Return the task of both models, or refuse two of different worlds."""
    from ._episodes import known_task

    another = known_task(second, place)
    if task is not None and another is not None and another.environment_id != task.environment_id:
        raise click.UsageError(
            f"a page of two models needs one world for both; {other} is of `{another.environment_id}` and "
            f"the first of `{task.environment_id}`"
        )
    return task


def _unseen_by(model: "WorldModel", episodes: "Episodes") -> "Episodes":
    """Leave out episodes that the second model was trained on, unless it was trained on all."""
    from ..evaluation import training_overlap

    overlap = training_overlap(model, episodes)
    if overlap.num_shared:
        click.echo(f"Note: of the second model: {overlap.sentence}.", err=True)
    return episodes.select(overlap.unseen) if overlap.num_shared and overlap.unseen else episodes
