"""What commands look at: a model, its task, and episodes of its world."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ConfigError
from ._memory import check_memory, pictures
from ._options import camera_choice

if TYPE_CHECKING:
    from ..data import Episodes
    from ..models import WorldModel
    from ..tasks import Task


def load_model(name: str, classes: Sequence[str] = ()) -> "WorldModel":
    """Load a model by name or folder, with the classes that the user named with --class."""
    from .._imports import import_named
    from ..hub import load

    found = []
    for place in classes:
        source, cls = import_named(place, owner="--class")
        if not isinstance(cls, type):
            raise ConfigError(
                f"--class needs {source} to hold a class under the name `{place.rpartition(':')[2]}`",
                "there is no such name" if cls is None else f"it is a {type(cls).__name__}",
                "Name a subclass of torch.nn.Module",
            )
        found.append(cls)
    return load(name, classes=found)


def find_task(model: "WorldModel", place: str | None) -> "Task":
    """Return the task that the user named with --task, or else that of the model's world."""
    from ..tasks import load_task, task_of

    if place is None:
        return task_of(model)
    task = load_task(place)
    world = model.processor.environment_id if model.has_processor else None
    if world not in (None, task.environment_id):
        raise ConfigError(
            f"the task at {place} needs a model of its world, `{task.environment_id}`",
            f"this model is of `{world}`",
            "Name the task that the model was trained in, or play another world in Python with `task.play`",
        )
    return task


def known_task(model: "WorldModel", place: str | None) -> "Task | None":
    """Return the model's task as `find_task` does, or None where there is none."""
    try:
        return find_task(model, place)
    except ConfigError:
        if place is not None:
            raise
        return None


def held_out(
    model: "WorldModel",
    task: "Task | None",
    data: Path | None,
    num_episodes: int,
    *,
    cameras: tuple[str, ...],
    seed: int,
) -> "Episodes":
    """Read `data`, or collect episodes of the task from seeds of their own.

    Of recorded episodes those that the model was trained on are left out, by its own record. If it was
    trained on all of them, they are what is measured, and a note says so.
    """
    from ..evaluation import training_overlap

    if cameras and data is None:
        raise click.UsageError("--camera belongs to --data; a task has its own")
    found = _episodes(model, task, data, num_episodes, cameras=cameras, seed=seed)
    overlap = training_overlap(model, found)
    if not overlap.num_shared:
        return found
    rest = overlap.unseen if data is not None else ()
    then = f"; measured on the other {len(rest)}" if rest else ""
    click.echo(f"Note: {overlap.sentence}{then}.", err=True)
    return found.select(rest) if rest else found


def _episodes(
    model: "WorldModel",
    task: "Task | None",
    data: Path | None,
    num_episodes: int,
    *,
    cameras: tuple[str, ...],
    seed: int,
) -> "Episodes":
    from ..data import open_episodes

    if data is not None:
        return open_episodes(data, cameras=camera_choice(cameras))
    processor = model.processor if model.has_processor else None
    if task is None or processor is None:
        known = None if processor is None else processor.environment_id
        raise ConfigError(
            "leworld collects episodes for models whose world is a known task",
            f"this model is of `{known}`" if known else "this model names no world",
            "Pass recorded episodes with --data, or name its task with --task FILE.py:NAME",
        )
    size = processor.image_size or 0
    check_memory("--episodes", num_episodes, pictures(num_episodes, task.episode_steps, size))
    return task.held_out(
        num_episodes, image_size=processor.image_size, seed=seed, progress=sys.stderr.isatty()
    )
