"""Train LeWM in the arm's task and count the goals that it reaches: `python -m benchmarks.arm`.

`cpu_seconds` is the CPU time of the process, on one thread, for `recipe.train` as a whole: collecting,
training, BatchNorm, saving.
"""

import tempfile
import time
from dataclasses import replace
from typing import Any

import click
import torch

from benchmarks.harness import write_result
from leworld.evaluation import PolicyOutcome, probing
from leworld.planners import CEMPlanner
from leworld.tasks import ArmTask

NUM_PAIRS, NUM_PROBED, SEED = 50, 100, 0


def summary(outcome: PolicyOutcome) -> dict[str, float]:
    """Success of one policy with its 95 % interval."""
    interval = outcome.success_interval
    return {"success": outcome.success_rate, "low": interval.low, "high": interval.high}


@click.command(help=__doc__)
@click.option("--steps", default=2000, show_default=True, help="Optimizer steps.")
@click.option("--lambda", "weight", default=0.09, show_default=True, help="SIGReg's weight.")
def main(steps: int, weight: float) -> None:
    """Train, play, probe, and write benchmarks/results/arm.json."""
    torch.set_num_threads(1)
    task = ArmTask()
    recipe = task.recipe()
    recipe = replace(recipe, regularizer_weight=weight, settings=replace(recipe.settings, num_steps=steps))
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        model = recipe.train(folder, progress=False)
        seconds = time.process_time() - began
    planner = CEMPlanner()
    pairs = task.pairs("trajectory-25", NUM_PAIRS, seed=SEED)
    played = task.play(model, pairs, planner=planner, seed=SEED, progress=False)
    probes = probing({"LeWM": model}, task.held_out(NUM_PROBED, seed=SEED), quantities=task.quantities)
    click.echo(f"trained in {seconds:.0f} CPU seconds\n{played}\n{probes}")
    row: dict[str, Any] = {
        "protocol": played.protocol,
        "pairs_played": played.num_pairs,
        "pairs_solved_at_start": played.num_presolved,
        "cpu_seconds": seconds,
        **{name: summary(outcome) for name, outcome in played.policies.items()},
        **{f"probe_r2_{found.quantity}": found.r2 for found in probes.rows if found.probe == "linear"},
    }
    facts = recipe.provenance()["recipe"] | {"episode_steps": task.episode_steps, "budget": task.budget}
    facts |= {"samples": planner.num_samples, "iterations": planner.num_iterations}
    write_result("arm", command="python -m benchmarks.arm", settings=facts, rows=[row])


if __name__ == "__main__":
    main()
