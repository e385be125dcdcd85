"""Train and play a sweep of lambda in one task.

Each run leaves its model and a row with success, CPU seconds and losses in a folder of its own; runs that are
there are not made again. `benchmarks.tune.sweep` reads them.
"""

import gc
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

import leworld
from benchmarks.tune import task_named
from benchmarks.tworoom import full_recipe
from leworld.data import Episodes, Windows
from leworld.planners import CEMPlanner
from leworld.tasks import Recipe, Task
from leworld.training import Devices, train

LAMBDAS = (0.0005, 0.0016, 0.005, 0.016, 0.05, 0.16, 0.5)
NUM_PAIRS = 100
PLANNER: dict[str, Any] = {"num_samples": 100, "num_elites": 10, "num_iterations": 10}


def run_folder(out: Path, task: str, steps: int, weight: float, seed: int) -> Path:
    """Where a run lives."""
    return out / task / f"{steps}-{weight:g}-seed{seed}"


def run_recipe(task: Task, steps: int, weight: float, seed: int) -> Recipe:
    """The task's recipe, shortened, with another lambda and seed."""
    recipe = full_recipe(task)
    settings = replace(recipe.settings, num_steps=steps, seed=seed, save_every=steps)
    return replace(recipe, regularizer_weight=weight, settings=settings)


def trained(task: Task, recipe: Recipe, episodes: Episodes, folder: Path) -> dict[str, Any]:
    """Train a model, save it, and return what training says of it."""
    model = recipe.build(recipe.processor(episodes))
    windows = Windows(episodes, model.history_size, frameskip=task.frameskip)
    began = time.process_time()
    train(
        model,
        windows,
        folder=folder,
        settings=recipe.settings,
        progress=False,
        devices=Devices(accelerator="cpu"),
    )
    seconds = time.process_time() - began
    leworld.save(model, folder / "model", overwrite=True)
    log = (folder / "metrics.csv").read_text(encoding="utf-8").splitlines()
    last = dict(zip(log[0].split(","), log[-1].split(","), strict=True))
    told = ("prediction", "regularizer", "prediction_over_copy", "effective_rank")
    return {"train_seconds": seconds} | {name: float(last[name]) for name in told}


def played(task: Task, folder: Path, held_out: Episodes, num_pairs: int) -> dict[str, Any]:
    """Play every protocol of the task."""
    model = leworld.load(folder / "model")
    began, reached = time.process_time(), {}
    for protocol in task.protocols:
        pairs = task.pairs(protocol, num_pairs, episodes=held_out, seed=0)
        result = task.play(
            model, pairs, planner=CEMPlanner(**PLANNER), baselines=(), num_recorded=0, progress=False
        )
        (outcome,) = result.policies.values()
        reached[protocol] = outcome.success_rate
    return {"success": reached, "play_seconds": time.process_time() - began}


def train_missing(name: str, steps: int, seed: int, out: Path, *, num_pairs: int) -> None:
    """Train and play what is missing."""
    folders = {weight: run_folder(out, name, steps, weight, seed) for weight in LAMBDAS}
    if all((folder / "row.json").exists() for folder in folders.values()):
        return
    task = task_named(name)
    began = time.process_time()
    episodes = run_recipe(task, steps, LAMBDAS[0], seed).collect(progress=False)
    seconds = time.process_time() - began
    held_out = task.held_out(num_pairs, seed=0)
    for weight, folder in folders.items():
        place = folder / "row.json"
        if place.exists():
            continue
        recipe = run_recipe(task, steps, weight, seed)
        row = {"task": name, "weight": weight, "steps": steps, "seed": seed, "collect_seconds": seconds}
        row |= trained(task, recipe, episodes, folder) | played(task, folder, held_out, num_pairs)
        place.write_text(json.dumps(row, indent=1), encoding="utf-8")
        click.echo(row)
        gc.collect()  # Lightning leaves cycles that hold the episodes
