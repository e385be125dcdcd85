"""Play far goals with and without recorded sub-goals: `python -m benchmarks.subgoals TASK`.

The same pairs for all policies, from held-out episodes, offset 50 with a budget of 100 steps and offset 75
with 150. Beside plain planning stands a search with the horizon of the whole way. Writes the rows of TASK in
benchmarks/results/subgoals.json and leaves those of other tasks. Seconds are CPU seconds on one thread.
"""

import json
import math
import time
from collections.abc import Sequence
from typing import Any

import click
import torch

import leworld
from benchmarks.harness import RESULTS, write_result
from benchmarks.tune import task_named
from leworld.control import MPCPolicy, Policy, RecordedSubgoals
from leworld.evaluation import PolicyOutcome, goal_reaching, trajectory_pairs
from leworld.planners import CEMPlanner

NAME, COMMAND = "subgoals", "python -m benchmarks.subgoals"
OFFSETS = (50, 75)
NUM_PAIRS, NUM_RECORDED, SIDE_BY_SIDE, SEED = 200, 400, 25, 0
SEARCH: dict[str, Any] = {"num_samples": 100, "num_elites": 10, "num_iterations": 10}


def told(outcome: PolicyOutcome) -> dict[str, Any]:
    """Success of a policy with its interval, and the steps that it took."""
    ends = outcome.success_interval
    row: dict[str, Any] = {"success": outcome.success_rate, "low": ends.low, "high": ends.high}
    return row | {"at_last_step": outcome.last_step_rate, "median_steps": outcome.median_steps}


def gain(better: Sequence[bool], plain: Sequence[bool]) -> dict[str, Any]:
    """Mean difference on the same pairs, with its 95 % interval and the pairs that changed."""
    first, second = (torch.tensor(part, dtype=torch.float64) for part in (better, plain))
    difference = first - second
    mean, half = float(difference.mean()), 1.96 * float(difference.std()) / math.sqrt(len(difference))
    facts = {"gain": mean, "low": mean - half, "high": mean + half}
    return facts | {"won": int((difference > 0).sum()), "lost": int((difference < 0).sum())}


@click.command(help=__doc__)
@click.argument("name")
@click.option("--model", help="Name or folder of the model.  [default: the task's shipped one]")
@click.option("--pairs", "num_pairs", default=NUM_PAIRS, show_default=True)
def main(name: str, model: str | None, num_pairs: int) -> None:
    """Play and write."""
    torch.set_num_threads(1)
    task = task_named(name)
    shown = task.shipped_model if model is None else model
    if shown is None:
        raise click.UsageError(f"no model of `{name}` ships with leworld: name one with --model")
    loaded = leworld.load(shown)
    recorded, held_out = task.collect(NUM_RECORDED, seed=SEED), task.held_out(2 * num_pairs, seed=SEED)
    began = time.process_time()
    subgoals = RecordedSubgoals(loaded, recorded)
    seconds = time.process_time() - began
    frameskip = loaded.processor.frameskip if loaded.has_processor else task.frameskip
    rows = []
    for offset in OFFSETS:
        by_radius = task.success_radius is not None
        rule: dict[str, Any] = {"success_radius": task.success_radius} if by_radius else {"success": task}
        pairs = trajectory_pairs(
            held_out, num_pairs, goal_offset=offset, budget=2 * offset, seed=SEED, **rule
        )
        whole = CEMPlanner(-(-offset // frameskip), **SEARCH)
        limits = task.action_limits
        policies: dict[str, Policy] = {
            "plain": MPCPolicy(loaded, CEMPlanner(**SEARCH), action_limits=limits),
            "whole_way": MPCPolicy(loaded, whole, action_limits=limits),
            "subgoals": MPCPolicy(loaded, CEMPlanner(**SEARCH), action_limits=limits, cost=subgoals),
        }
        result = goal_reaching(pairs, policies, env=task.make(SIDE_BY_SIDE), num_recorded=0, progress=False)
        click.echo(result)
        found = result.policies
        row: dict[str, Any] = {"task": name, "model": shown if model is None else "own", "offset": offset}
        row |= {"budget": 2 * offset, "pairs": num_pairs, "presolved": result.num_presolved}
        row |= {policy: told(outcome) for policy, outcome in found.items()}
        for other in ("plain", "whole_way"):
            row[f"gain_over_{other}"] = gain(found["subgoals"].reached, found[other].reached)
        rows.append(row | {"graph_seconds": seconds, "recorded_frames": len(subgoals.frames)})
    place = RESULTS / f"{NAME}.json"
    before = json.loads(place.read_text(encoding="utf-8"))["rows"] if place.exists() else []
    facts = {"recorded_episodes": NUM_RECORDED, "seed": SEED, "search": SEARCH, "neighbours": 10}
    kept = [row for row in before if row["task"] != name]
    write_result(NAME, command=f"{COMMAND} TASK", settings=facts, rows=kept + rows)


if __name__ == "__main__":
    main()
