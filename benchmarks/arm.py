"""A two-link arm as a task: train LeWM in it and count the goals that it reaches: `python -m benchmarks.arm`.

The guide `docs/guides/own_task.md` shows the same class. `cpu_seconds` is the CPU time of the process, on one
thread, for `recipe.train` as a whole: collecting, training, BatchNorm, saving.
"""
# ruff: noqa: D102 -- the methods do what StateTask says of them

import tempfile
import time
from dataclasses import replace
from typing import Any

import click
import numpy as np
import torch

from benchmarks.harness import write_result
from leworld.evaluation import PolicyOutcome, Quantity, probing
from leworld.planners import CEMPlanner
from leworld.tasks import StateTask

NUM_PAIRS, NUM_PROBED, SEED = 50, 100, 0


def wrapped(angles: np.ndarray) -> np.ndarray:
    """Bring angles into -pi .. pi."""
    return (angles + np.pi) % (2 * np.pi) - np.pi


class Arm(StateTask):
    """A two-link arm, seen from the side. A state is its two joint angles, an action their velocities."""

    name, environment_id, action_dim = "arm", "example/Arm-v0", 2
    success_words, distance_unit = "with both joints within 0.25 rad of the goal's", "rad"

    @property
    def quantities(self):
        return {name: Quantity("state", (i,), "angle") for i, name in enumerate(["shoulder", "elbow"])}

    def draw_states(self, count, generator):
        return generator.uniform(-np.pi, np.pi, (count, 2))

    def step(self, states, actions):
        return wrapped(states + 0.1 * actions)

    def distance(self, state, goal):
        return np.abs(wrapped(state - goal)).max(axis=-1)

    def reached(self, state, goal):
        return self.distance(state, goal) <= 0.25

    def render(self, states, image_size):
        centres = (np.arange(image_size, dtype=np.float32) + 0.5) / image_size - 0.5  # of pixels
        x, y = centres, centres[:, None]  # from the joint that a link starts at
        picture = np.full((*states.shape[:-1], image_size, image_size, 3), 255, np.float32)
        angles, looks = (states[..., 0], states.sum(-1)), ((30, 60, 200), (220, 40, 30))
        for angle, colour, length, width in zip(angles, looks, (0.26, 0.20), (0.05, 0.03), strict=True):
            angle = angle[..., None, None].astype(np.float32)
            dx, dy = length * np.cos(angle), length * np.sin(angle)
            along = np.clip((x * dx + y * dy) / length**2, 0, 1)  # to the nearest point of the link
            apart = np.sqrt((x - along * dx) ** 2 + (y - along * dy) ** 2)
            cover = np.clip((width - apart) * image_size + 0.5, 0, 1)[..., None]
            picture += cover * (np.float32(colour) - picture)
            x, y = x - dx, y - dy
        return picture.round().astype(np.uint8)


def summary(outcome: PolicyOutcome) -> dict[str, float]:
    """Success of one policy with its 95 % interval."""
    interval = outcome.success_interval
    return {"success": outcome.success_rate, "low": interval.low, "high": interval.high}


@click.command(help=__doc__)
@click.option("--steps", default=2500, show_default=True, help="Optimizer steps.")
@click.option("--lambda", "weight", default=0.09, show_default=True, help="SIGReg's weight.")
def main(steps: int, weight: float) -> None:
    """Train, play, probe, and write benchmarks/results/arm.json."""
    torch.set_num_threads(1)
    task = Arm()
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
