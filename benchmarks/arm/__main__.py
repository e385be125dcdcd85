"""Train the arm's recipe, as `leworld train arm` does, and measure the model: `python -m benchmarks.arm`.

Writes benchmarks/results/lewm_arm_tiny.json: the goals reached beside random actions and a planner on the
true dynamics, then by the model alone at tighter tolerances, and probes of both joints. `cpu_seconds` is the
CPU time of the process, on one thread, for `recipe.train` as a whole: collecting, training, BatchNorm,
saving.
"""

import time
from pathlib import Path
from typing import Any

import click
import torch

from benchmarks.harness import write_result
from benchmarks.played import row
from leworld.evaluation import probing
from leworld.planners import CEMPlanner
from leworld.probes import MLPProbe, RidgeProbe
from leworld.tasks import ArmTask

NUM_PAIRS, NUM_PROBED, SEED = 200, 200, 0
TOLERANCES = (0.2, 0.1, 0.05)
PROTOCOL = "trajectory-25"


@click.command(help=__doc__)
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/arm"), show_default=True)
def main(out: Path) -> None:
    """Train, play, probe, and write."""
    torch.set_num_threads(1)
    task, planner = ArmTask(), CEMPlanner()
    recipe = task.recipe()
    began = time.process_time()
    model = recipe.train(out, resume=False, progress=False)
    seconds = time.process_time() - began
    click.echo(f"trained in {seconds:.0f} CPU seconds")
    probes = probing(
        {"LeWM": model},
        task.held_out(NUM_PROBED, seed=SEED),
        quantities=task.quantities,
        probes={"linear": RidgeProbe, "MLP": MLPProbe},
        stride=2,
        seed=SEED,
        progress=False,
    )
    click.echo(probes)
    pairs = task.pairs(PROTOCOL, NUM_PAIRS, seed=SEED)
    played = task.play(model, pairs, planner=planner, seed=SEED, progress=False)
    click.echo(played)
    asked = f"--pairs {NUM_PAIRS} --seed {SEED}"
    rows: list[dict[str, Any]] = [row(played, command=f"leworld plan lewm-arm-tiny {asked}")]
    rows[0] |= {"tolerance": task.tolerance, "cpu_seconds": seconds}
    rows[0] |= {f"r2_{one.quantity}_{one.probe}": one.r2 for one in probes.rows}
    for tolerance in TOLERANCES:
        stricter = ArmTask(tolerance)
        same = stricter.pairs(PROTOCOL, NUM_PAIRS, seed=SEED)
        outcome = stricter.play(model, same, planner=planner, baselines=(), seed=SEED, progress=False)
        click.echo(outcome)
        told = row(outcome, command="python -m benchmarks.arm")
        rows.append(
            {name: value for name, value in told.items() if name != "protocol"} | {"tolerance": tolerance}
        )
    facts = recipe.provenance()["recipe"]
    facts |= {"episode_steps": task.episode_steps, "budget": task.budget, "image_size": task.image_size}
    facts |= {
        "samples": planner.num_samples,
        "iterations": planner.num_iterations,
        "horizon": planner.horizon,
    }
    facts |= {"num_parameters": sum(weight.numel() for weight in model.parameters()), "seed": SEED}
    write_result("lewm_arm_tiny", command="python -m benchmarks.arm", settings=facts, rows=rows)


if __name__ == "__main__":
    main()
