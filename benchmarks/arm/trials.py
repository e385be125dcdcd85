"""What was tried for the arm, one model a line: `python -m benchmarks.arm.trials [NAME ...]`.

Trains the task's recipe with changes, on one thread, probes and plays each model, and writes
benchmarks/results/arm_trials.json. Trials that have a line there already are kept, so the table grows; name
some to run these only. CPU seconds are those of the process for `recipe.train` as a whole.
"""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import torch

from benchmarks.harness import RESULTS, write_result
from leworld.evaluation import probing
from leworld.models import WorldModel
from leworld.planners import CEMPlanner
from leworld.probes import MLPProbe, RidgeProbe
from leworld.tasks import ArmTask, Recipe
from leworld.training import OptimizerSettings

MODELS = Path("runs/arm-trials")
NUM_PAIRS, NUM_PROBED, NUM_ITERATIONS, SEED = 100, 100, 10, 0
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


def changed(recipe: Recipe, facts: dict[str, Any]) -> Recipe:
    """Return the recipe with the settings of one trial."""
    own = ("num_episodes", "embedding_dim", "hidden_dim", "regularizer_weight", "encoder_norm")
    settings = replace(
        recipe.settings,
        num_steps=facts["num_steps"],
        batch_size=facts["batch_size"],
        optimizer=OptimizerSettings(learning_rate=facts["learning_rate"]),
    )
    return replace(recipe, settings=settings, **{name: facts[name] for name in own})


def tried(name: str) -> dict[str, Any]:
    """Train, probe and play one model."""
    facts, task = BASE | TRIALS[name], ArmTask()
    task.image_size = facts["image_size"]
    began = time.process_time()
    model = changed(task.recipe(), facts).train(MODELS / name, resume=False, progress=False)
    seconds = time.process_time() - began
    return {"name": name, **facts, "cpu_seconds": seconds} | measured(task, model)


def measured(task: ArmTask, model: WorldModel) -> dict[str, Any]:
    """Probe and play a model."""
    probes = probing(
        {"LeWM": model},
        task.held_out(NUM_PROBED, seed=SEED),
        quantities=task.quantities,
        probes={"linear": RidgeProbe, "MLP": MLPProbe},
        stride=2,
        seed=SEED,
        progress=False,
    )
    pairs = task.pairs("trajectory-25", NUM_PAIRS, seed=SEED)
    planner = CEMPlanner(num_iterations=NUM_ITERATIONS)
    played = task.play(model, pairs, planner=planner, baselines=(), seed=SEED, progress=False)
    outcome = played.policies["LeWM"]
    row = {f"r2_{one.quantity}_{one.probe}": one.r2 for one in probes.rows}
    ends = outcome.success_interval
    return row | {
        "success": outcome.success_rate,
        "low": ends.low,
        "high": ends.high,
        "success_at_last_step": outcome.last_step_rate,
        "mean_final_distance": outcome.mean_final_distance,
    }


@click.command(help=__doc__)
@click.argument("names", nargs=-1)
def main(names: tuple[str, ...]) -> None:
    """Run what is missing, and write after every trial."""
    torch.set_num_threads(1)
    place = RESULTS / "arm_trials.json"
    known = json.loads(place.read_text(encoding="utf-8"))["rows"] if place.exists() else []
    rows = {row["name"]: row for row in known if row["name"] in TRIALS}
    for name in names or TRIALS:
        if name in rows:
            continue
        rows[name] = tried(name)
        click.echo(rows[name])
        facts = {
            "pairs": NUM_PAIRS,
            "iterations": NUM_ITERATIONS,
            "probed_episodes": NUM_PROBED,
            "seed": SEED,
        }
        ordered = [rows[one] for one in TRIALS if one in rows]
        write_result("arm_trials", command="python -m benchmarks.arm.trials", settings=facts, rows=ordered)


if __name__ == "__main__":
    main()
