"""TwoRoom: how often the shipped model reaches its goals, beside random actions and the true dynamics."""

import torch

import leworld
from benchmarks.harness import write_result
from benchmarks.played import row
from leworld.planners import CEMPlanner
from leworld.tasks import task_of

MODEL = "lewm-tworoom-tiny"
NUM_PAIRS = 100
SEED = 0


def run(device: str) -> None:
    """Play what `leworld plan` plays, with its defaults, for every protocol. `device` plays no part."""
    del device
    torch.set_num_threads(1)
    planner = CEMPlanner()
    model = leworld.load(MODEL)
    task = task_of(model)
    rows = []
    for protocol in task.protocols:
        pairs = task.pairs(protocol, NUM_PAIRS, seed=SEED)
        played = task.play(model, pairs, planner=planner, seed=SEED)
        command = f"leworld plan {MODEL} --protocol {protocol} --pairs {NUM_PAIRS} --seed {SEED}"
        rows.append(row(played, command=command))
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
        rows=rows,
    )
