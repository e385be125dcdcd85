"""`leworld train`: train a world model by a recipe."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

RECIPES = ("tworoom",)
_EPILOG = """Examples:

\b
  leworld train tworoom                                    a model like the shipped one, in minutes on a CPU
  leworld train tworoom --seed 3 --out runs/seed3          another seed, in another folder
  leworld train tworoom --out runs/seed3                   go on after an interruption: the same call again
  leworld train tworoom --steps 600 --lambda 0             watch the embedding collapse without SIGReg
  leworld plan runs/tworoom/model                          measure what came out
"""


@click.command(short_help="Train a model by a recipe.", epilog=_EPILOG)
@click.argument("recipe", type=click.Choice(RECIPES))
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Decides data, initial weights and batches. Same seed and machine, same weights.",
)
@click.option("--steps", type=click.IntRange(min=1), help="Optimizer steps.  [default: the recipe's]")
@click.option(
    "--lambda",
    "--regularizer-weight",
    "regularizer_weight",
    type=click.FloatRange(min=0),
    help="Weight of SIGReg; 0 trains without.  [default: the recipe's]",
)
@click.option("--batch-size", type=click.IntRange(min=2), help="Windows a step.  [default: the recipe's]")
@click.option(
    "--learning-rate",
    type=click.FloatRange(min=0, min_open=True),
    help="Largest learning rate.  [default: the recipe's]",
)
@click.option("--episodes", type=click.IntRange(min=1), help="Episodes to collect.  [default: the recipe's]")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs/tworoom"),
    show_default=True,
    help="Folder for logs, the resumable state, and the finished model in `model`.",
)
@click.option(
    "--resume/--restart",
    default=True,
    show_default=True,
    help="Go on from an interrupted run in the folder, or start over.",
)
def train(
    recipe: str,
    seed: int,
    steps: int | None,
    regularizer_weight: float | None,
    batch_size: int | None,
    learning_rate: float | None,
    episodes: int | None,
    out: Path,
    resume: bool,
) -> None:
    """Train a world model by RECIPE: collect data, train, save.

    The recipe `tworoom` collects episodes in TwoRoom with a noisy expert and trains a small LeWM from pixels.
    `leworld plan` and `leworld.load` take the folder `model` that it leaves. The metrics go into metrics.csv
    and TensorBoard's format. An interrupted run, called again, ends with the same weights as one that was
    not.
    """
    from ..training import TwoRoomRecipe, train_tworoom

    plan = TwoRoomRecipe()
    optimizer = replace(plan.settings.optimizer, **_given(learning_rate=learning_rate))
    settings = replace(
        plan.settings, seed=seed, optimizer=optimizer, **_given(num_steps=steps, batch_size=batch_size)
    )
    changes = _given(num_episodes=episodes, regularizer_weight=regularizer_weight)
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        train_tworoom(out, replace(plan, settings=settings, **changes), resume=resume)
    click.echo(f"model    {out / 'model'}")
    click.echo(f"metrics  {out / 'metrics.csv'}")
    click.echo(f"Next: `leworld plan {out / 'model'}`")


def _given(**options: Any) -> dict[str, Any]:
    """Leave out the options that the user did not give."""
    return {name: value for name, value in options.items() if value is not None}


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Say a warning in one line, without the place in the code that raised it."""
    click.echo(f"Warning: {' '.join(str(message).split())}", err=True)
