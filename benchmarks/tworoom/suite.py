"""TwoRoom: how often the shipped model reaches its goals, beside random actions and the true dynamics."""

import torch

import leworld
from benchmarks.harness import write_result
from leworld.evaluation import GoalReachingResult, PolicyOutcome
from leworld.planners import CEMPlanner
from leworld.tasks import task_of

MODEL = "lewm-tworoom-tiny"
NUM_PAIRS = 100
SEED = 0


def summary(outcome: PolicyOutcome) -> dict[str, float]:
    """What the README's table shows of one policy."""
    success = outcome.success_interval
    return {
        "success": outcome.success_rate,
        "low": success.low,
        "high": success.high,
        "success_at_last_step": outcome.last_step_rate,
        "mean_final_distance": outcome.mean_final_distance,
    }


def row(result: GoalReachingResult) -> dict[str, object]:
    """One protocol's line of the JSON."""
    return {
        "protocol": result.protocol,
        "command": f"leworld plan {MODEL} --protocol {result.protocol} --pairs {NUM_PAIRS} --seed {SEED}",
        "pairs_played": result.num_pairs,
        "pairs_solved_at_start": result.num_presolved,
        "budget": result.budget,
        **{name: summary(outcome) for name, outcome in result.policies.items()},
    }


def run(device: str) -> None:
    """Play what `leworld plan` plays, with its defaults, for every protocol. `device` plays no part."""
    del device
    torch.set_num_threads(1)
    planner = CEMPlanner()
    model = leworld.load(MODEL)
    task = task_of(model)
    results = [
        task.play(model, task.pairs(protocol, NUM_PAIRS, seed=SEED), planner=planner, seed=SEED)
        for protocol in task.protocols
    ]
    write_result(
        "lewm_tworoom_tiny",
        command="python benchmarks/run.py tworoom",
        settings={
            "model": MODEL,
            "pairs": NUM_PAIRS,
            "seed": SEED,
            "samples": planner.num_samples,
            "iterations": planner.num_iterations,
            "horizon": planner.horizon,
        },
        rows=[row(result) for result in results],
    )
