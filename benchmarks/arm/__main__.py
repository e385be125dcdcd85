"""Train the arm's recipe, as `leworld train arm` does, and measure the model: `python -m benchmarks.arm`.

Writes benchmarks/results/lewm_arm_tiny.json: the goals reached beside random actions and a planner on the
true dynamics, then by the model alone at the paper's tolerance, and probes of both joints. The recipe was
chosen on the pairs of seed 0, so these are of another seed. `cpu_seconds` is the CPU time of the process,
on one thread, for `recipe.train` as a whole: collecting, training, BatchNorm, saving.
"""

from pathlib import Path
from typing import Any

import click
import torch

import leworld
from benchmarks.harness import write_result
from benchmarks.played import row
from benchmarks.probed import probed
from benchmarks.trained import trained
from leworld.models import WorldModel
from leworld.planners import CEMPlanner
from leworld.tasks import ArmTask

NAME = "lewm-arm-tiny"
NUM_PAIRS, NUM_PROBED, SEED = 200, 200, 1
STRICT = 0.05
PROTOCOL = "trajectory-25"


def measured(task: ArmTask, model: WorldModel) -> list[dict[str, Any]]:
    """Probe the model, and play it."""
    planner = CEMPlanner()
    read = probed(task, model, num_episodes=NUM_PROBED, stride=2, seed=SEED)
    pairs = task.pairs(PROTOCOL, NUM_PAIRS, seed=SEED)
    played = task.play(model, pairs, planner=planner, seed=SEED, progress=False)
    click.echo(played)
    first = row(played, command=f"leworld plan {NAME} --pairs {NUM_PAIRS} --seed {SEED}")
    first |= {"tolerance": task.tolerance} | read
    strict = ArmTask(STRICT)
    same = strict.pairs(PROTOCOL, NUM_PAIRS, seed=SEED)
    alone = strict.play(model, same, planner=planner, baselines=(), seed=SEED, progress=False)
    click.echo(alone)
    second = row(alone, command="python -m benchmarks.arm") | {"tolerance": STRICT}
    del second["protocol"]  # the card tells the task's own tolerance alone
    return [first, second]


@click.command(help=__doc__)
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/arm"), show_default=True)
def main(out: Path) -> None:
    """Train, play, probe, and write."""
    torch.set_num_threads(1)
    task, planner = ArmTask(), CEMPlanner()
    seconds = trained(task.recipe(), out)
    click.echo(f"trained in {seconds:.0f} CPU seconds")
    model = leworld.load(out / "model")
    rows = measured(task, model)
    rows[0]["cpu_seconds"] = seconds
    facts = task.recipe().provenance()["recipe"]
    facts |= {"episode_steps": task.episode_steps, "image_size": task.image_size, "pairs_seed": SEED}
    facts |= {"samples": planner.num_samples, "iterations": planner.num_iterations}
    facts |= {"horizon": planner.horizon}
    facts |= {"num_parameters": sum(weight.numel() for weight in model.parameters())}
    write_result("lewm_arm_tiny", command="python -m benchmarks.arm", settings=facts, rows=rows)


if __name__ == "__main__":
    main()
