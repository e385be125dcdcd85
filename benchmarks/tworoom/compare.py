"""Train and plan several models in TwoRoom alike: `python -m benchmarks.tworoom.compare`.

As `leworld compare --task tworoom` with these settings. Writes benchmarks/results/tworoom_compare.json,
one row a model and seed. Resumable. CPU seconds are those of the process, on one thread.
"""

from dataclasses import replace
from pathlib import Path

import click
import torch

from benchmarks.harness import write_result
from leworld.planners import CEMPlanner
from leworld.tasks import compare, get_task

NUM_STEPS, NUM_PAIRS, NUM_ITERATIONS = 800, 40, 10


@click.command(help=__doc__)
@click.option("--models", default="lewm,pldm,dinowm", show_default=True)
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/compare"), show_default=True)
@click.option("--write/--no-write", default=True, show_default=True, help="Write the committed result.")
def main(models: str, seeds: str, out: Path, write: bool) -> None:
    """Run, print and write."""
    torch.set_num_threads(1)
    task = get_task("tworoom")
    recipe = task.recipe()
    recipe = replace(recipe, settings=replace(recipe.settings, num_steps=NUM_STEPS))
    result = compare(
        task,
        models.split(","),
        folder=out,
        seeds=[int(seed) for seed in seeds.split(",")],
        recipe=recipe,
        planner=CEMPlanner(num_iterations=NUM_ITERATIONS),
        num_pairs=NUM_PAIRS,
        progress=False,
    )
    click.echo(result)
    if write:
        write_result(
            "tworoom_compare",
            command="python -m benchmarks.tworoom.compare",
            settings={"budget": result.budget, **result.settings},
            rows=[row.to_json() for row in result.rows],
        )


if __name__ == "__main__":
    main()
