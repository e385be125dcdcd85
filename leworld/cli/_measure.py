"""Measuring a model on its task's protocols: what `demo` and `plan` share."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import MissingExtraError

if TYPE_CHECKING:
    from ..evaluation import GoalReachingResult


def result_names(name: str) -> tuple[str, ...]:
    """Return the names of the files that `write_result` writes."""
    return tuple(f"{name}.{suffix}" for suffix in ("json", "png", "gif"))


def write_result(result: "GoalReachingResult", folder: Path, name: str) -> None:
    """Write the result as JSON, picture and film into `folder` and say where they are."""
    from ..evaluation import GoalReachingResult

    folder.mkdir(parents=True, exist_ok=True)
    click.echo(f"numbers  {result.save(folder / f'{name}.json', overwrite=True)}")
    for label, write, file in (
        ("picture", GoalReachingResult.plot, f"{name}.png"),
        ("film", GoalReachingResult.write_gif, f"{name}.gif"),
    ):
        try:
            click.echo(f"{label:8} {write(result, folder / file, overwrite=True)}")
        except MissingExtraError as error:
            click.echo(f"{label:8} not written: {error}")
