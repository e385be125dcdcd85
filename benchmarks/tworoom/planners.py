"""Every planner on TwoRoom, success beside cost: `python -m benchmarks.tworoom.planners`.

All planners play the same pairs and execute whole plans of 5 blocks, so that an episode takes 2 decisions;
the inverse model alone decides block by block. Evaluations are counted at the model, in rollouts of 5 steps:
a predicted step is a fifth, and one whose gradient is taken counts three times (once forward, twice
backward). CPU time is the process's, for 25 environments side by side, encoding included.

Rows are kept in benchmarks/results/tworoom_planners.json as they come; those that are there are not played
again. Without a trained inverse model in `--inverse`, one is trained first.
"""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import torch
from torch import Tensor

import leworld
from benchmarks.harness import RESULTS, write_result
from leworld.control import GoalConditionedInverseModel, InversePolicy, MPCPolicy, Policy, former_plan
from leworld.data import Observation
from leworld.evaluation import goal_reaching
from leworld.metrics import wilson_interval
from leworld.models import WorldModel
from leworld.planners import (
    CEMPlanner,
    GradientPlanner,
    GRASPPlanner,
    ICEMPlanner,
    MPPIPlanner,
    Planner,
    RandomShootingPlanner,
    Refine,
)
from leworld.tasks import get_task
from leworld.training import load_inverse, train_inverse

NAME, MODEL = "tworoom_planners", "lewm-tworoom-tiny"
TASK = get_task("tworoom")
NUM_PAIRS, SIDE_BY_SIDE, SEED, HORIZON = 100, 25, 0, 5
REFERENCE = "CEM 300 x 30"
INVERSE = Path("runs/tworoom-inverse")


class Entry(NamedTuple):
    """A planner by its name in the table; without one the inverse model acts alone."""

    make: Callable[[], Planner] | None
    proposed: bool = False


def cem(samples: int, iterations: int) -> CEMPlanner:
    """CEM with a tenth of its samples as elites, but not less than five."""
    return CEMPlanner(HORIZON, samples, num_elites=max(5, samples // 10), num_iterations=iterations)


def icem(samples: int, iterations: int) -> ICEMPlanner:
    """The same with colored noise and kept elites."""
    elites = max(5, samples // 10)
    return ICEMPlanner(HORIZON, samples, num_elites=elites, num_iterations=iterations)


def shooting(samples: int, iterations: int) -> RandomShootingPlanner:
    """Random shooting, its noise shrinking with the iterations."""
    return RandomShootingPlanner(HORIZON, samples, num_iterations=iterations, decay=0.8)


PLANNERS: dict[str, Entry] = {
    REFERENCE: Entry(lambda: cem(300, 30)),
    "iCEM 300 x 30": Entry(lambda: icem(300, 30)),
    "gradient 8 x 100": Entry(lambda: GradientPlanner(HORIZON, 8, num_iterations=100)),
    "GRASP 4 x 100": Entry(lambda: GRASPPlanner(HORIZON, 4, num_iterations=100)),
    "CEM 300 x 3": Entry(lambda: cem(300, 3)),
    "CEM 100 x 8": Entry(lambda: cem(100, 8)),
    "iCEM 200 x 8": Entry(lambda: icem(200, 8)),
    "MPPI 100 x 8": Entry(lambda: MPPIPlanner(HORIZON, 100, num_iterations=8)),
    "random shooting 100 x 8": Entry(lambda: shooting(100, 8)),
    "gradient 10 x 29": Entry(lambda: GradientPlanner(HORIZON, 10, num_iterations=29)),
    "GRASP 5 x 60": Entry(lambda: GRASPPlanner(HORIZON, 5, num_iterations=60)),
    "CEM 100 x 5, then gradient 3 x 40": Entry(
        lambda: Refine(cem(100, 5), GradientPlanner(HORIZON, 3, num_iterations=40, init_std=0.1))
    ),
    "CEM 100 x 5": Entry(lambda: cem(100, 5)),
    "CEM 30 x 3": Entry(lambda: cem(30, 3)),
    "iCEM 30 x 3": Entry(lambda: icem(30, 3)),
    "MPPI 30 x 3": Entry(lambda: MPPIPlanner(HORIZON, 30, num_iterations=3)),
    "random shooting 90 x 1": Entry(lambda: shooting(90, 1)),
    "gradient 1 x 30": Entry(lambda: GradientPlanner(HORIZON, 1, num_iterations=30)),
    "CEM 30 x 3 from the inverse model": Entry(lambda: cem(30, 3), proposed=True),
    "gradient 1 x 10 from the inverse model": Entry(
        lambda: GradientPlanner(HORIZON, 1, num_iterations=10), proposed=True
    ),
    "inverse model alone": Entry(None),
}


class Meter:
    """Counts the steps that a model predicts, by standing in for its rollout."""

    def __init__(self, model: WorldModel) -> None:
        self.steps = 0
        self._rollout = model._rollout
        model._rollout = self  # pyright: ignore[reportAttributeAccessIssue] -- a stand-in for the method

    def __call__(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor:
        """Count and predict."""
        differentiated = torch.is_grad_enabled() and actions.requires_grad
        self.steps += math.prod(actions.shape[:3]) * (3 if differentiated else 1)
        return self._rollout(context, past_actions, actions)


class Timed(Policy):
    """Another policy, with the CPU seconds of its decisions."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.seconds = 0.0

    def reset(self, goal: Observation) -> None:
        """Begin anew; goals are encoded outside of the clock, once an episode."""
        self.policy.reset(goal)

    def act(self, observation: Observation) -> np.ndarray:
        """Act against the clock."""
        started = time.process_time()
        action = self.policy.act(observation)
        self.seconds += time.process_time() - started
        return action


def trained_inverse(model: WorldModel, folder: Path) -> GoalConditionedInverseModel:
    """Load the inverse model in `folder`, trained by the recipe, or train it."""
    if not (folder / "inverse").exists():
        train_inverse(model, TASK.collect(400), folder=folder, progress=False)
    return load_inverse(folder / "inverse")


def policy_of(entry: Entry, model: WorldModel, inverse: GoalConditionedInverseModel) -> Policy:
    """Build the policy that an entry stands for."""
    if entry.make is None:
        return InversePolicy(model, inverse)
    return MPCPolicy(model, entry.make(), propose=inverse if entry.proposed else former_plan, seed=SEED)


def play(name: str, protocol: str, inverse: GoalConditionedInverseModel) -> dict[str, Any]:
    """Play one protocol with one planner."""
    model = leworld.load(MODEL)
    processor = model.processor
    meter, policy = Meter(model), Timed(policy_of(PLANNERS[name], model, inverse))
    env = TASK.make(SIDE_BY_SIDE, processor.image_size)
    pairs = TASK.pairs(protocol, NUM_PAIRS, seed=SEED)
    result = goal_reaching(pairs, {name: policy}, env=env, seed=SEED, num_recorded=0, progress=False)
    outcome = result.policies[name]
    executed = 1 if PLANNERS[name].make is None else HORIZON
    decisions = math.ceil(pairs.budget / (executed * processor.frameskip))
    played = math.ceil(len(outcome.reached) / SIDE_BY_SIDE) * SIDE_BY_SIDE
    return {
        "planner": name,
        "protocol": protocol,
        "pairs": len(outcome.reached),
        "decisions_an_episode": decisions,
        "evaluations_a_decision": meter.steps / HORIZON / played / decisions,
        "cpu_ms_a_decision": 1e3 * policy.seconds / played / decisions,
        "cpu_ms_an_episode": 1e3 * policy.seconds / played,
        "success": outcome.success_rate,
        "low": outcome.success_interval.low,
        "high": outcome.success_interval.high,
        "success_at_last_step": outcome.last_step_rate,
        "mean_final_distance": outcome.mean_final_distance,
        "reached": "".join("01"[hit] for hit in outcome.reached),
    }


def paired_difference(first: str, second: str) -> tuple[float, float, float]:
    """Difference of two success rates on the same pairs with its 95 % interval.

    Newcombe, Improved confidence intervals for the difference between binomial proportions based on paired
    data, Statistics in Medicine, 1998, method 10 (Wilson's limits, joined with the pairs' correlation and its
    continuity correction).
    """
    hits = [(a == "1", b == "1") for a, b in zip(first, second, strict=True)]
    both, one = sum(a and b for a, b in hits), sum(a and not b for a, b in hits)
    other, none = sum(b and not a for a, b in hits), sum(not a and not b for a, b in hits)
    count = len(hits)
    margins = (both + one) * (other + none) * (both + other) * (one + none)
    agreement = both * none - one * other
    if agreement > 0:
        agreement = max(agreement - count / 2, 0)
    phi = agreement / math.sqrt(margins) if margins else 0.0
    p, q = (both + one) / count, (both + other) / count
    a, b = wilson_interval(both + one, count), wilson_interval(both + other, count)

    def reach(left: float, right: float) -> float:
        return math.sqrt(max(0.0, left**2 - 2 * phi * left * right + right**2))

    return p - q, p - q - reach(p - a.low, b.high - q), p - q + reach(a.high - p, q - b.low)


def compare(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add to every row its difference to the reference on the same pairs, and its share of its cost."""
    reference = {row["protocol"]: row for row in rows if row["planner"] == REFERENCE}
    for row in rows:
        base = reference.get(row["protocol"])
        if base is None:
            continue
        difference, low, high = paired_difference(row["reached"], base["reached"])
        cost = row["evaluations_a_decision"] * row["decisions_an_episode"]
        base_cost = base["evaluations_a_decision"] * base["decisions_an_episode"]
        row["difference"], row["difference_low"], row["difference_high"] = difference, low, high
        row["equal_success"] = low <= 0 <= high
        row["share_of_evaluations"] = cost / base_cost
    return rows


def kept_rows(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of an earlier run with the same settings."""
    path = RESULTS / f"{NAME}.json"
    if not path.exists():
        return []
    result = json.loads(path.read_text(encoding="utf-8"))
    return result["rows"] if result["settings"] == settings else []


@click.command(help=__doc__)
@click.option("--only", multiple=True, type=click.Choice(list(PLANNERS)), help="Planners; all by default.")
@click.option("--again", is_flag=True, help="Play these again.")
@click.option("--inverse", type=click.Path(path_type=Path), default=INVERSE, show_default=True)
def main(only: tuple[str, ...], again: bool, inverse: Path) -> None:
    """Play what is missing."""
    torch.set_num_threads(1)
    model = leworld.load(MODEL)
    settings = {
        "model": MODEL,
        "pairs": NUM_PAIRS,
        "seed": SEED,
        "horizon": HORIZON,
        "executed_blocks": HORIZON,
        "side_by_side": SIDE_BY_SIDE,
        "reference": REFERENCE,
        "interval": "95 %: Wilson for a rate, Newcombe's method 10 for a paired difference",
    }
    network = trained_inverse(model, inverse)
    for name in only or PLANNERS:
        for protocol in TASK.protocols:
            rows = kept_rows(settings)
            done = [row for row in rows if (row["planner"], row["protocol"]) == (name, protocol)]
            if done and not again:
                continue
            row = play(name, protocol, network)
            click.echo({key: value for key, value in row.items() if key != "reached"})
            rows = [kept for kept in rows if (kept["planner"], kept["protocol"]) != (name, protocol)]
            order = list(PLANNERS)
            rows = sorted(
                [*rows, row], key=lambda r: (order.index(r["planner"]), TASK.protocols.index(r["protocol"]))
            )
            write_result(
                NAME, command="python -m benchmarks.tworoom.planners", settings=settings, rows=compare(rows)
            )


if __name__ == "__main__":
    main()
