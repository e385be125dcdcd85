"""What a decision costs with a network instead of a search: `python -m benchmarks.tworoom.amortised`.

Trains the inverse model by its recipe, then times decisions of `InversePolicy` and CEM 300 x 30 in turn, on
one thread, encoding the frame included, for one environment and for 25 side by side. The success of both
comes from benchmarks/results/tworoom_planners.json, which `python -m benchmarks.tworoom.planners` writes; run
that first. Writes benchmarks/results/tworoom_amortised.json.
"""

import json
import statistics
import time
from pathlib import Path
from typing import Any

import click
import torch

import leworld
from benchmarks.harness import RESULTS, write_result
from benchmarks.tworoom.planners import HORIZON, INVERSE, MODEL, NAME, REFERENCE, SEED, SIDE_BY_SIDE, cem
from leworld.control import GoalConditionedInverseModel, InversePolicy, MPCPolicy
from leworld.data import Observation
from leworld.envs import TwoRoomArena
from leworld.models import WorldModel
from leworld.tasks import task_of, two_room_pairs
from leworld.training import train_inverse

ALONE = "inverse model alone"
ROUNDS, QUICK = 5, 40


def seconds(policy: MPCPolicy | InversePolicy, goal: torch.Tensor, seen: Observation, times: int) -> float:
    """Return the median CPU seconds of a first decision in fresh episodes."""
    taken = []
    for _ in range(times):
        policy.reset(goal)
        started = time.process_time()
        policy.act(seen)
        taken.append(time.process_time() - started)
    return statistics.median(taken)


def cost(model: WorldModel, inverse: GoalConditionedInverseModel, environments: int) -> dict[str, Any]:
    """Time both, one after the other, several rounds."""
    arena, processor = TwoRoomArena(), model.processor
    pairs = two_room_pairs("cross-door", environments, seed=SEED)
    seen = Observation(arena.render(pairs.start, processor.image_size))
    goals = torch.from_numpy(arena.render(pairs.goal, processor.image_size))
    with torch.no_grad():
        goal = model.encode(processor.observations(goals)[:, None])[:, 0]
    search = MPCPolicy(model, cem(300, 30), seed=SEED)
    network = InversePolicy(model, inverse)
    seconds(network, goal, seen, QUICK)
    rounds = [(seconds(search, goal, seen, 1), seconds(network, goal, seen, QUICK)) for _ in range(ROUNDS)]
    ratio = statistics.median(slow / quick for slow, quick in rounds)
    return {
        "what": "decision",
        "environments": environments,
        "cem_ms": 1e3 * statistics.median(slow for slow, _ in rounds),
        "inverse_ms": 1e3 * statistics.median(quick for _, quick in rounds),
        "times_cheaper": ratio,
        "times_cheaper_an_executed_step": ratio / HORIZON,
    }


def successes() -> list[dict[str, Any]]:
    """Take the success of both from the table of all planners."""
    path = RESULTS / f"{NAME}.json"
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []
    found = {(row["planner"], row["protocol"]): row for row in rows}
    names = ("success", "low", "high")
    protocols = [protocol for planner, protocol in found if planner == ALONE]
    if not protocols or any((REFERENCE, protocol) not in found for protocol in protocols):
        raise SystemExit("Run `python -m benchmarks.tworoom.planners` first")
    return [
        {
            "what": "success",
            "protocol": protocol,
            "pairs": found[ALONE, protocol]["pairs"],
            "CEM": {name: found[REFERENCE, protocol][name] for name in names},
            "inverse": {name: found[ALONE, protocol][name] for name in names},
        }
        for protocol in protocols
    ]


@click.command(help=__doc__)
@click.option("--inverse", "folder", type=click.Path(path_type=Path), default=INVERSE, show_default=True)
def main(folder: Path) -> None:
    """Train, time and write."""
    torch.set_num_threads(1)
    success = successes()
    model = leworld.load(MODEL)
    started = time.process_time()
    inverse = train_inverse(model, task_of(model).collect(400), folder=folder, resume=False, progress=False)
    training = time.process_time() - started
    rows = [*(cost(model, inverse, count) for count in (1, SIDE_BY_SIDE)), *success]
    for row in rows:
        click.echo(row)
    write_result(
        "tworoom_amortised",
        command="python -m benchmarks.tworoom.amortised",
        settings={
            "model": MODEL,
            "reference": REFERENCE,
            "horizon": HORIZON,
            "inverse_parameters": sum(weight.numel() for weight in inverse.parameters()),
            "training_cpu_seconds": training,
            "rounds": ROUNDS,
        },
        rows=rows,
    )


if __name__ == "__main__":
    main()
