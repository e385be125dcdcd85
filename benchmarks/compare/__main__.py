"""Train and plan several models in one task alike: `python -m benchmarks.compare TASK`.

As `leworld compare --task TASK` with these settings, in TwoRoom from the recipe of the shipped model. Writes
benchmarks/results/TASK_compare.json, one row a model and seed. Resumable. CPU seconds
are those of the process, on one thread.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import click
import torch

from benchmarks.harness import write_result
from benchmarks.tworoom import full_recipe
from leworld.planners import CEMPlanner
from leworld.tasks import compare, get_task

NUM_ITERATIONS, SEEDS = 10, "0,1,2"


@dataclass(frozen=True)
class Budget:
    """What every training of a task gets, and what it is measured on."""

    num_steps: int
    num_episodes: int
    protocols: tuple[str, ...]
    num_pairs: int = 40
    num_probed: int = 50


BUDGETS = {
    "tworoom": Budget(800, 1000, ("trajectory-25", "same-room", "cross-door")),
    "arm": Budget(1500, 1000, ("trajectory-25",)),
    "pusht": Budget(2500, 2500, ("trajectory-25", "block-25"), num_probed=300),
}


@click.command(help=__doc__)
@click.argument("task", type=click.Choice(list(BUDGETS)))
@click.option("--models", default="lewm,pldm,dinowm", show_default=True)
@click.option("--seeds", default=SEEDS, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/compare"), show_default=True)
@click.option("--write/--no-write", default=True, show_default=True, help="Write the committed result.")
def main(task: str, models: str, seeds: str, out: Path, write: bool) -> None:
    """Run, print and write."""
    torch.set_num_threads(1)
    world, budget = get_task(task), BUDGETS[task]
    recipe = full_recipe(world)
    recipe = replace(
        recipe,
        num_episodes=budget.num_episodes,
        settings=replace(recipe.settings, num_steps=budget.num_steps),
    )
    result = compare(
        world,
        models.split(","),
        folder=out / task,
        seeds=[int(seed) for seed in seeds.split(",")],
        recipe=recipe,
        planner=CEMPlanner(num_iterations=NUM_ITERATIONS),
        protocols=budget.protocols,
        num_pairs=budget.num_pairs,
        num_probed=budget.num_probed,
        progress=False,
    )
    click.echo(result)
    if write:
        others = "" if seeds == SEEDS else f" --seeds {seeds}"
        write_result(
            f"{task}_compare",
            command=f"python -m benchmarks.compare {task}{others}",
            settings={"budget": result.budget, **result.settings},
            rows=[row.to_json() for row in result.rows],
        )


if __name__ == "__main__":
    main()
