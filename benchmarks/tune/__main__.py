"""What `leworld tune` finds, beside the best lambda of the sweep: `python -m benchmarks.tune TASK`.

Runs `leworld.tasks.tune` as the command does by default, on the recipe of the sweep: its trainings take a
fifth of the sweep's steps. Writes the row of TASK in benchmarks/results/tune.json; rows of other tasks stay.
`python -m benchmarks.tune.sweep TASK` comes first. Seconds are CPU seconds of the process on
one thread, collecting included.
"""

import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import click
import torch

from benchmarks.harness import RESULTS, write_result
from benchmarks.tune import task_named
from benchmarks.tworoom import full_recipe
from leworld.tasks import tune

NAME, COMMAND = "tune", "python -m benchmarks.tune"


@click.command(help=__doc__)
@click.argument("name")
@click.option("--seed", default=0, show_default=True)
def main(name: str, seed: int) -> None:
    """Search, compare and write."""
    torch.set_num_threads(1)
    sweeps = json.loads((RESULTS / "tune_sweep.json").read_text(encoding="utf-8"))["rows"]
    (sweep,) = [row for row in sweeps if row["task"] == name]
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        task = task_named(name)
        recipe = full_recipe(task)
        recipe = replace(recipe, settings=replace(recipe.settings, num_steps=sweep["steps"]))
        result = tune(task, folder=Path(folder), recipe=recipe, seed=seed, progress=False)
        seconds = time.process_time() - began
    click.echo(result)
    weight, best = result.best.weight, sweep["best"]
    row = {"task": name, "found": weight, "sweep_best": best, "factor": max(weight / best, best / weight)}
    row |= {"steps": result.settings["recipe"]["settings"]["num_steps"], "sweep_steps": sweep["steps"]}
    row |= {"seconds": seconds, "sweep_seconds": sweep["sweep_seconds"]}
    row |= {"share_of_sweep": seconds / sweep["sweep_seconds"], "advice": result.advice()}
    place = RESULTS / f"{NAME}.json"
    before = json.loads(place.read_text(encoding="utf-8"))["rows"] if place.exists() else []
    kept = [other for other in before if other["task"] != name]
    facts = {"seed": seed, "num_runs": len(result.rows), "low": result.low, "high": result.high}
    rows = [*kept, row | {"search": [part.to_json() for part in result.rows]}]
    write_result(NAME, command=f"{COMMAND} TASK", settings=facts, rows=rows)


if __name__ == "__main__":
    main()
