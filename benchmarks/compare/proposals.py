"""How many evaluations a policy's proposals save: `python -m benchmarks.compare.proposals`.

Takes the TD-MPC2 models that `python -m benchmarks.compare.rewarded` left under `--out`, and lets each play
the protocol "fixed-goal" by its own planner: a whole search and one of a tenth of its evaluations, each with
the policy's proposals among the candidates and without them, and by the policy alone. An evaluation is one
candidate of one iteration, proposals included. Writes benchmarks/results/tworoom_proposals.json. CPU
seconds are those of the process, on one thread.
"""

import time
from pathlib import Path
from typing import Any

import click
import torch

import leworld
from benchmarks.harness import write_result
from leworld.control import ActorPolicy, MPCPolicy, Policy, PolicyProposals
from leworld.costs import ReturnCost
from leworld.evaluation import goal_reaching
from leworld.metrics import wilson_interval
from leworld.models import WorldModel, processor_of
from leworld.planners import KeepGuesses, MPPIPlanner
from leworld.tasks import get_task

NAME, COMMAND = "tworoom_proposals", "python -m benchmarks.compare.proposals"
NUM_PROPOSALS = 8
SEARCHES = {"whole": (128, 4), "a tenth": (25, 2)}  # candidates and iterations
NUM_PAIRS = 100


def mpc(model: WorldModel, samples: int, iterations: int, *, proposals: bool, seed: int) -> Policy:
    """Plan by return, with or without proposals."""
    planner = MPPIPlanner(
        3,
        samples,
        num_iterations=iterations,
        num_elites=max(4, samples // 8),
        temperature=2.0,
        scale="fixed",
        init_std=2.0,
        min_std=0.05,
        returns="draw",
    )
    return MPCPolicy(
        model,
        KeepGuesses(planner) if proposals else planner,
        cost=lambda situation: ReturnCost(situation.model, state=situation.state),
        **({"propose": PolicyProposals(NUM_PROPOSALS, seed=seed)} if proposals else {}),
        receding_horizon=1,
        seed=seed,
    )


@click.command(help=__doc__)
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/rewarded"), show_default=True)
def main(seeds: str, out: Path) -> None:
    """Play, print and write."""
    torch.set_num_threads(1)
    task, rows = get_task("tworoom"), []
    for seed in map(int, seeds.split(",")):
        model = leworld.load(out / "tdmpc2" / f"seed{seed}" / "model")
        pairs = task.fixed_goal_pairs(NUM_PAIRS, seed=1000 + seed)
        env = task.make(25, processor_of(model, owner=NAME).image_size)
        policies: dict[tuple[str, bool, int], Policy] = {("policy alone", True, 0): ActorPolicy(model)}
        for search, (samples, iterations) in SEARCHES.items():
            for proposals in (True, False):
                key = (search, proposals, samples * iterations)
                policies[key] = mpc(model, samples, iterations, proposals=proposals, seed=seed)
        for (search, proposals, evaluations), policy in policies.items():
            began = time.process_time()
            result = goal_reaching(pairs, {"own": policy}, env=env, seed=seed, num_recorded=0, progress=False)
            outcome = result.policies["own"]
            row: dict[str, Any] = {"seed": seed, "search": search, "proposals": proposals}
            row |= {"evaluations": evaluations, "reached": sum(outcome.reached), "pairs": NUM_PAIRS}
            row |= {"seconds": time.process_time() - began}
            rows.append(row)
            click.echo(str(row))
    for search, proposals in dict.fromkeys((row["search"], row["proposals"]) for row in rows):
        found = [row for row in rows if (row["search"], row["proposals"]) == (search, proposals)]
        reached, played = (sum(row[name] for row in found) for name in ("reached", "pairs"))
        ends = wilson_interval(reached, played)
        click.echo(
            f"{search}, proposals {proposals}: {reached / played:.2f} ({ends.low:.2f}, {ends.high:.2f})"
        )
    facts = {"num_proposals": NUM_PROPOSALS, "searches": {k: list(v) for k, v in SEARCHES.items()}}
    write_result(NAME, command=COMMAND, settings=facts | {"protocol": "fixed-goal"}, rows=rows)


if __name__ == "__main__":
    main()
