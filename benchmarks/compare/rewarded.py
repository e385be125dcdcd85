"""Models of one task beside models of none, in TwoRoom: `python -m benchmarks.compare.rewarded`.

As `leworld compare --task tworoom --models lewm,tdmpc2,lewm_reward` with these settings:
the recipe's 1,000 episodes of 32-pixel frames and equally many steps and frames for all. TD-MPC2 and LeWM's
reward head learn from the dense rewards of one fixed goal, the middle of the right room. Protocols
are "fixed-goal", 100 starts from anywhere to that goal in 100 steps, and two with any goal. Writes
benchmarks/results/tworoom_rewarded.json, one row a model and seed. Resumable. CPU seconds are those of the
process, on one thread.
"""

from dataclasses import replace
from pathlib import Path

import click
import torch

from benchmarks.harness import write_result
from leworld.planners import CEMPlanner
from leworld.tasks import TwoRoomRecipe, compare, get_task

NAME, COMMAND = "tworoom_rewarded", "python -m benchmarks.compare.rewarded"
MODELS = "lewm,tdmpc2,lewm_reward"
PROTOCOLS = ("fixed-goal", "same-room", "cross-door")
NUM_STEPS, NUM_PAIRS, NUM_PROBED, NUM_ITERATIONS = 3000, 100, 50, 10


@click.command(help=__doc__)
@click.option("--models", default=MODELS, show_default=True)
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/rewarded"), show_default=True)
@click.option("--write/--no-write", default=True, show_default=True, help="Write the committed result.")
def main(models: str, seeds: str, out: Path, write: bool) -> None:
    """Run, print and write."""
    torch.set_num_threads(1)
    recipe = TwoRoomRecipe()
    result = compare(
        get_task("tworoom"),
        models.split(","),
        folder=out,
        seeds=[int(seed) for seed in seeds.split(",")],
        recipe=replace(recipe, settings=replace(recipe.settings, num_steps=NUM_STEPS)),
        planner=CEMPlanner(num_samples=100, num_iterations=NUM_ITERATIONS),
        protocols=PROTOCOLS,
        num_pairs=NUM_PAIRS,
        num_probed=NUM_PROBED,
        progress=False,
    )
    click.echo(result)
    if write:
        write_result(
            NAME,
            command=COMMAND,
            settings={"budget": result.budget, **result.settings},
            rows=[row.to_json() for row in result.rows],
        )


if __name__ == "__main__":
    main()
