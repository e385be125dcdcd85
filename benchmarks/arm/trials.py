"""What was tried for the arm, one model a line: `python -m benchmarks.arm.trials [NAME ...]`.

Trains the task's recipe with changes, on one thread, probes and plays each model, and writes
benchmarks/results/arm_trials.json. Trials that have a line there already are kept, so the table grows; name
some to run these only. CPU seconds are those of the process for `recipe.train` as a whole.
"""

from typing import Any

import click

from benchmarks.trials import Trials

BASE = {
    "num_episodes": 1000,
    "embedding_dim": 32,
    "regularizer_weight": 0.09,
    "num_steps": 1000,
    "batch_size": 128,
    "learning_rate": 1e-3,
    "image_size": 64,
    "encoder_norm": "none",
    "hidden_dim": None,
}
# Changes to BASE, by the name of the trial.
TRIALS: dict[str, dict[str, Any]] = {
    "base": {},
    "dim 16": {"embedding_dim": 16},
    "dim 8, longer": {"embedding_dim": 8, "num_steps": 2500},
    "lambda 0.016": {"regularizer_weight": 0.016},
    "rate 0.003": {"learning_rate": 3e-3},
    "32 pixels, longer": {"learning_rate": 3e-3, "image_size": 32, "num_steps": 4000},
    "32 pixels, longer, lambda 0.03": {
        "learning_rate": 3e-3,
        "image_size": 32,
        "num_steps": 4000,
        "regularizer_weight": 0.03,
    },
}
SMALL = {"learning_rate": 3e-3, "image_size": 32, "num_steps": 4000}
NORM = SMALL | {"encoder_norm": "batch"}
TRIALS |= {
    "32 pixels, longer, lambda 0.01": SMALL | {"regularizer_weight": 0.01},
    "32 pixels, longer, lambda 0.03, BatchNorm": NORM | {"regularizer_weight": 0.03},
    "32 pixels, longer, lambda 0.01, BatchNorm": NORM | {"regularizer_weight": 0.01},
    "32 pixels, longer, lambda 0.003, BatchNorm": NORM | {"regularizer_weight": 0.003},
    "dim 8, BatchNorm": NORM | {"embedding_dim": 8, "regularizer_weight": 0.05},
    "dim 6, BatchNorm": NORM | {"embedding_dim": 6, "regularizer_weight": 0.05},
    "dim 6, BatchNorm, wide": NORM | {"embedding_dim": 6, "regularizer_weight": 0.05, "hidden_dim": 256},
}


@click.command(help=__doc__)
@click.argument("names", nargs=-1)
def main(names: tuple[str, ...]) -> None:
    """Run what is missing."""
    Trials(task="arm", command="python -m benchmarks.arm.trials", base=BASE, changes=TRIALS).run(names)


if __name__ == "__main__":
    main()
