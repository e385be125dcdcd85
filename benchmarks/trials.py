"""What was tried for a task's recipe, one model a line of a JSON that grows."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import click
import torch

from benchmarks.harness import RESULTS, write_result
from benchmarks.probed import probed
from leworld.models import WorldModel
from leworld.planners import CEMPlanner
from leworld.tasks import Recipe, get_task


@dataclass(frozen=True, kw_only=True)
class Trials:
    """Trials of one task and how each model is measured.

    `base` and every change to it name settings of the recipe, of its training run or its optimiser, or the
    task's `image_size`.
    """

    task: str
    command: str
    base: Mapping[str, Any]
    changes: Mapping[str, Mapping[str, Any]]
    num_pairs: int = 100
    num_probed: int = 100
    stride: int = 2
    num_iterations: int = 10
    seed: int = 0

    @property
    def result(self) -> str:
        """Name of the JSON."""
        return f"{self.task}_trials"

    def run(self, names: tuple[str, ...]) -> None:
        """Run what is missing, and write after every trial."""
        torch.set_num_threads(1)
        place = RESULTS / f"{self.result}.json"
        known = json.loads(place.read_text(encoding="utf-8"))["rows"] if place.exists() else []
        rows = {row["name"]: row for row in known if row["name"] in self.changes}
        for name in names or self.changes:
            if name in rows:
                continue
            rows[name] = self._tried(name)
            click.echo(rows[name])
            facts = {"pairs": self.num_pairs, "iterations": self.num_iterations}
            facts |= {"probed_episodes": self.num_probed, "seed": self.seed}
            ordered = [rows[one] for one in self.changes if one in rows]
            write_result(self.result, command=self.command, settings=facts, rows=ordered)

    def _tried(self, name: str) -> dict[str, Any]:
        facts = dict(self.base) | dict(self.changes[name])
        task = get_task(self.task)
        usual, task.image_size = task.image_size, facts.get("image_size", task.image_size)
        try:
            began = time.process_time()
            folder = Path("runs") / f"{self.task}-trials" / name
            model = changed(task.recipe(), facts).train(folder, resume=False, progress=False)
            seconds = time.process_time() - began
            return {"name": name, **facts, "cpu_seconds": seconds} | self._measured(model)
        finally:
            task.image_size = usual

    def _measured(self, model: WorldModel) -> dict[str, Any]:
        task = get_task(self.task)
        read = probed(task, model, num_episodes=self.num_probed, stride=self.stride, seed=self.seed)
        pairs = task.pairs("trajectory-25", self.num_pairs, seed=self.seed)
        planner = CEMPlanner(num_iterations=self.num_iterations)
        played = task.play(model, pairs, planner=planner, baselines=(), seed=self.seed, progress=False)
        outcome = played.policies["LeWM"]
        ends = outcome.success_interval
        return read | {
            "success": outcome.success_rate,
            "low": ends.low,
            "high": ends.high,
            "success_at_last_step": outcome.last_step_rate,
            "mean_final_distance": outcome.mean_final_distance,
        }


def changed(recipe: Recipe, facts: Mapping[str, Any]) -> Recipe:
    """Return the recipe with the settings of one trial."""

    def own(part: Any) -> dict[str, Any]:
        return {field.name: facts[field.name] for field in fields(part) if field.name in facts}

    optimizer = replace(recipe.settings.optimizer, **own(recipe.settings.optimizer))
    settings = replace(recipe.settings, optimizer=optimizer, **own(recipe.settings))
    return replace(recipe, settings=settings, **own(recipe))
