"""What was tried for Push-T, one model a line: `python -m benchmarks.pusht.trials [NAME ...]`.

Trains the task's recipe with changes, on one thread, probes and plays each model, and writes
benchmarks/results/pusht_trials.json. Trials that have a line there already are kept, so the table grows; name
some to run these only. CPU seconds are those of the process for `recipe.train` as a whole.
"""

import click

from benchmarks.trials import Trials

TRIALS = Trials(
    task="pusht",
    command="python -m benchmarks.pusht.trials",
    base={
        "num_episodes": 2000,
        "episode_steps": 50,
        "embedding_dim": 64,
        "regularizer_weight": 0.06,
        "inverse_dynamics_weight": 0.2,
        "encoder_norm": "batch",
        "num_steps": 1500,
        "learning_rate": 3e-3,
    },
    changes={
        "base": {},
        "two terms": {"inverse_dynamics_weight": 0.0},
        "inverse dynamics 1": {"inverse_dynamics_weight": 1.0},
        "few long episodes": {"num_episodes": 500, "episode_steps": 200},
        "lambda 0.02": {"regularizer_weight": 0.02},
        "lambda 0.2": {"regularizer_weight": 0.2},
        "dim 16": {"embedding_dim": 16},
        "no BatchNorm, rate 0.001": {"encoder_norm": "none", "learning_rate": 1e-3},
    },
    num_pairs=50,
    num_probed=400,
    stride=4,
)


@click.command(help=__doc__)
@click.argument("names", nargs=-1)
def main(names: tuple[str, ...]) -> None:
    """Run what is missing."""
    TRIALS.run(names)


if __name__ == "__main__":
    main()
