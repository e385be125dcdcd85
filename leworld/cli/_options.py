"""Options that several commands share, so that they read and behave alike everywhere."""

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, final

import click

Command = TypeVar("Command", bound=Callable[..., object])
Option = Callable[[Command], Command]
MOST = 10**9  # of anything that is counted
MOST_EPISODES = 10**6
MOST_PAIRS = 10**4
MOST_SAMPLES = 10**6
LARGEST_SIDE = 2**14  # of a picture, in pixels
LARGEST_SEED = 2**31 - 1


@final
class FiniteRange(click.FloatRange):
    """A range of numbers without NaN, which no comparison refuses, and without infinity."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read a number and refuse one that is not finite."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


@final
class Place(click.Path):
    """Where to write, under a name: an empty one, as of a variable that was not set, is no place."""

    def __init__(self, *, folder: bool) -> None:
        super().__init__(file_okay=not folder, dir_okay=folder, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a path and refuse an empty one."""
        if not str(value):
            self.fail("the name is empty.", param, ctx)
        return super().convert(value, param, ctx)


@final
class RegularFile(click.Path):
    """An existing file that can be read to its end, so no pipe and no device."""

    def __init__(self) -> None:
        super().__init__(exists=True, dir_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a path and refuse one of something else."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if not path.is_file():
            self.fail(f"{str(path)!r} is not a regular file.", param, ctx)
        return path


@final
class DataPath(click.Path):
    """Recorded episodes: a file that can be read to its end, or a folder."""

    def __init__(self) -> None:
        super().__init__(exists=True, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a path and refuse one of a pipe or a device."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if not (path.is_file() or path.is_dir()):
            self.fail(f"{str(path)!r} is neither a regular file nor a folder.", param, ctx)
        return path


def search_options(iterations: int) -> Option:
    """How long CEM searches for a plan: its rounds, so many by default, and the candidates of each."""

    def both(command: Command) -> Command:
        samples = click.option(
            "--samples",
            type=click.IntRange(min=2, max=MOST_SAMPLES),
            default=300,
            show_default=True,
            help="Candidate plans a round; the best tenth shapes the next round.",
        )
        rounds = click.option(
            "--iterations",
            type=click.IntRange(min=1, max=MOST),
            default=iterations,
            show_default=True,
            help="Rounds of CEM a plan.",
        )
        return rounds(samples(command))

    return both


def pairs_option(default: int) -> Option:
    """How many pairs of start and goal to play."""
    return click.option(
        "--pairs",
        "num_pairs",
        type=click.IntRange(min=1, max=MOST_PAIRS),
        default=default,
        show_default=True,
        help="Pairs of start and goal; those solved at the start do not count.",
    )


def camera_option() -> Option:
    """Which cameras of recorded episodes to open."""
    return click.option(
        "--camera",
        "cameras",
        metavar="NAME[=NEW]",
        multiple=True,
        help="Camera of the data; one alone becomes `pixels`, which a model sees. Several keep their names "
        "or get new ones. May be repeated.  [default: all]",
    )


def camera_choice(texts: Sequence[str]) -> str | dict[str, str] | None:
    """Return what `open_episodes` takes as `cameras`: one name, new names by the old, or None."""
    if not texts:
        return None
    named = {}
    for text in texts:
        old, equals, new = text.partition("=")
        if not old or (equals and not new):
            raise click.BadParameter(f"{text!r} is no NAME or NAME=NEW.", param_hint="--camera")
        named[old] = new or old
    return texts[0] if len(texts) == 1 and "=" not in texts[0] else named


def data_option() -> Option:
    """Recorded episodes to look at."""
    return click.option(
        "--data",
        type=DataPath(),
        help="Recorded episodes, in any format that `leworld pack` takes; those that the model was trained "
        "on are left out.  [default: fresh ones of its task]",
    )


def episodes_option(default: int, *, at_least: int) -> Option:
    """How many episodes of the task to collect when none were recorded."""
    return click.option(
        "--episodes",
        type=click.IntRange(min=at_least, max=MOST_EPISODES),
        default=default,
        show_default=True,
        help="To collect, without --data.",
    )


def task_option() -> Option:
    """Where the task of a world of the user's own is."""
    return click.option(
        "--task",
        "place",
        metavar="FILE.py:NAME",
        help="Task of a world of your own, in a file or as package.module:NAME; its code is run.",
    )


def class_option() -> Option:
    """Where classes of the user's own are that a checkpoint names."""
    return click.option(
        "--class",
        "classes",
        metavar="FILE.py:NAME",
        multiple=True,
        help="Class of your own that the model is made of, in a file or as package.module:NAME; its code is "
        "run. May be given several times.",
    )


def recipe_episodes_option() -> Option:
    """How many episodes a recipe collects to train on."""
    return click.option(
        "--episodes",
        type=click.IntRange(min=1, max=MOST_EPISODES),
        help="Episodes to train on.  [default: the recipe's]",
    )


def seed_option(decides: str) -> Option:
    """The seed, and what follows from it."""
    return click.option(
        "--seed",
        type=click.IntRange(min=0, max=LARGEST_SEED),
        default=0,
        show_default=True,
        help=f"Decides {decides}.",
    )


def out_option(holds: str, default: Path | None = None) -> Option:
    """Where results go; without a default nothing is written unless it is given."""
    return click.option(
        "--out",
        type=Place(folder=True),
        default=default,
        show_default=default is not None,
        help=f"Folder for {holds}.",
    )


def overwrite_option(replaces: str) -> Option:
    """Whether what a command finds in its place may go."""
    return click.option("--overwrite", is_flag=True, help=f"Replace {replaces}.")
