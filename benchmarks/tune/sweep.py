"""Which figure follows success over lambda: `python -m benchmarks.tune.sweep TASK`.

Trains one model for each lambda by TASK's recipe, shortened by `--steps`; plays the task's protocols; and
computes every candidate for a figure that needs no environment on held-out episodes. Runs are kept under
`--out` and not made again. Writes the row of TASK in benchmarks/results/tune_sweep.json and leaves those of
other tasks: each run, and for each figure Spearman's correlation with success, the lambda that it would
choose, and the success of that one. Success is the mean over the protocols. Seconds are CPU seconds on one
thread.
"""

import json
import math
from pathlib import Path
from statistics import fmean
from typing import Any

import click
import torch

import leworld
from benchmarks.harness import RESULTS, write_result
from benchmarks.tune import task_named
from benchmarks.tune.figures import BETTER, figures
from benchmarks.tune.training import LAMBDAS, NUM_PAIRS, PLANNER, run_folder, train_missing
from benchmarks.tworoom import full_recipe

NAME, COMMAND = "tune_sweep", "python -m benchmarks.tune.sweep"
NUM_HELD_OUT, HELD_OUT_SEED = 60, 1


def spearman(one: list[float], other: list[float]) -> float:
    """Rank correlation, ties with their mean rank."""

    def ranks(values: list[float]) -> torch.Tensor:
        column = torch.tensor(values, dtype=torch.float64)
        below = (column[:, None] > column).double().sum(1)
        return below + ((column[:, None] == column).double().sum(1) - 1) / 2

    return float(torch.corrcoef(torch.stack([ranks(one), ranks(other)]))[0, 1])


def judged(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Judge each figure over the runs of one task, the best first."""
    success = [run["mean_success"] for run in runs]
    best = runs[success.index(max(success))]
    found = []
    for name, sign in BETTER.items():
        values = [sign * run["figures"][name] for run in runs]
        if any(math.isnan(value) for value in values):
            continue
        chosen = runs[values.index(max(values))]
        found.append(
            {
                "figure": name,
                "spearman": spearman(values, success),
                "chosen": chosen["weight"],
                "factor_from_best": max(chosen["weight"] / best["weight"], best["weight"] / chosen["weight"]),
                "success_of_chosen": chosen["mean_success"],
            }
        )
    return sorted(found, key=lambda row: (row["factor_from_best"], -row["spearman"]))


def measured(folder: Path, name: str) -> dict[str, Any]:
    """Read one run, with its figures, which are kept."""
    place = folder / "figures.json"
    if not place.exists():
        task = task_named(name)
        episodes = task.held_out(NUM_HELD_OUT, seed=HELD_OUT_SEED)
        told = figures(leworld.load(folder / "model"), episodes, task.quantities)
        place.write_text(json.dumps(told, indent=1), encoding="utf-8")
    run = json.loads((folder / "row.json").read_text(encoding="utf-8"))
    run["mean_success"] = fmean(run["success"].values())
    return run | {"figures": json.loads(place.read_text(encoding="utf-8"))}


@click.command(help=__doc__)
@click.argument("name")
@click.option("--steps", type=click.IntRange(min=1), help="Of a training.  [default: the recipe's]")
@click.option("--pairs", default=NUM_PAIRS, show_default=True, help="A protocol.")
@click.option("--seed", default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/tune"), show_default=True)
def main(name: str, steps: int | None, pairs: int, seed: int, out: Path) -> None:
    """Train, play, measure, judge and write."""
    torch.set_num_threads(1)
    steps = full_recipe(task_named(name)).settings.num_steps if steps is None else steps
    train_missing(name, steps, seed, out, num_pairs=pairs)
    runs = [measured(run_folder(out, name, steps, weight, seed), name) for weight in LAMBDAS]
    best = max(runs, key=lambda run: run["mean_success"])
    seconds = runs[0]["collect_seconds"] + sum(run["train_seconds"] + run["play_seconds"] for run in runs)
    row = {"task": name, "best": best["weight"], "best_success": best["mean_success"]}
    row |= {"sweep_seconds": seconds, "steps": steps, "seed": seed, "pairs": pairs}
    row |= {"figures": judged(runs), "runs": runs}
    place = RESULTS / f"{NAME}.json"
    before = json.loads(place.read_text(encoding="utf-8"))["rows"] if place.exists() else []
    facts = {"lambdas": list(LAMBDAS), "search": PLANNER, "held_out": NUM_HELD_OUT}
    kept = [other for other in before if other["task"] != name]
    write_result(NAME, command=f"{COMMAND} TASK", settings=facts, rows=[*kept, row])
    for found in row["figures"]:
        click.echo(found)


if __name__ == "__main__":
    main()
