"""Train Push-T's recipe, as `leworld train pusht` does, and measure the model: `python -m benchmarks.pusht`.

Writes benchmarks/results/lewm_pusht_tiny.json: the goals reached by every protocol, on the first beside
random actions and a planner on the true dynamics, and probes of agent and block. The recipe was chosen on
other episodes than those that are played here.
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
from leworld.tasks import Task, get_task

NAME = "lewm-pusht-tiny"
NUM_PROBED, SEED = 4000, 1
NUM_PAIRS = {
    "trajectory-25": 200,
    "block-25": 100,
    "strict-25": 100,
    "trajectory-50": 50,
    "trajectory-75": 50,
}
BASELINES = ("random", "oracle")  # on the first protocol; the oracle takes a simulation a candidate


def played(task: Task, model: WorldModel) -> list[dict[str, Any]]:
    """Play the protocols."""
    rows = []
    for protocol, count in NUM_PAIRS.items():
        pairs = task.pairs(protocol, count, seed=SEED)
        baselines = BASELINES if protocol == "trajectory-25" else BASELINES[:1]
        result = task.play(model, pairs, planner=CEMPlanner(), baselines=baselines, seed=SEED, progress=False)
        click.echo(result)
        command = f"leworld plan {NAME} --protocol {protocol} --pairs {count} --seed {SEED}"
        rows.append(row(result, command=command))
    return rows


@click.command(help=__doc__)
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/pusht"), show_default=True)
def main(out: Path) -> None:
    """Train, probe, play, and write."""
    torch.set_num_threads(1)
    task, planner = get_task("pusht"), CEMPlanner()
    recipe = task.recipe()
    seconds = trained(recipe, out)
    click.echo(f"trained in {seconds:.0f} CPU seconds")
    model = leworld.load(out / "model")
    facts = recipe.provenance()["recipe"] | {"image_size": task.image_size, "pairs_seed": SEED}
    facts |= {"samples": planner.num_samples, "iterations": planner.num_iterations}
    facts |= {"horizon": planner.horizon, "probed_episodes": NUM_PROBED}
    facts |= {"num_parameters": sum(weight.numel() for weight in model.parameters())}
    rows = [
        probed(task, model, num_episodes=NUM_PROBED, stride=4, seed=SEED) | {"cpu_seconds": seconds},
        *played(task, model),
    ]
    write_result("lewm_pusht_tiny", command="python -m benchmarks.pusht", settings=facts, rows=rows)


if __name__ == "__main__":
    main()
