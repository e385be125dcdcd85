"""Planning that is shared among processes gives the plans of one process."""

import os
import socket
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn

from leworld.control import MPCPolicy
from leworld.data import Observation
from leworld.planners import CEMPlanner, ICEMPlanner, OverRanks, Planner
from tests.training.tiny import tiny_episodes, tiny_model

ENVIRONMENTS, STEPS = 5, 5
PLANNERS = {
    "cem": lambda: CEMPlanner(2, 16, num_elites=4, num_iterations=3),
    "icem": lambda: ICEMPlanner(2, 16, num_elites=4, num_iterations=2),  # hands elites on
}


def played(planner: Planner, environments: int = ENVIRONMENTS) -> tuple[list[np.ndarray], list[torch.Tensor]]:
    """Return actions and costs of a policy that is shown recorded frames, whatever it does."""
    model = tiny_model().eval()
    pixels = tiny_episodes().pixels
    policy = MPCPolicy(model, planner, receding_horizon=1, seed=3)
    policy.reset(Observation(pixels[100 : 100 + environments]))
    actions = [policy.act(Observation(pixels[20 * step :][:environments])) for step in range(STEPS)]
    return actions, [decision.plan.cost for decision in policy.decisions]


def quadratic(rows: slice) -> "torch.Tensor":
    targets = torch.linspace(-0.8, 0.8, 7)[rows]
    return lambda actions: (actions - targets[:, None, None, None]).square().sum((2, 3))  # type: ignore[return-value]


def shared(batch: int = 7):
    planner = OverRanks(ICEMPlanner(2, 16, num_elites=4, num_iterations=3))
    rows = planner.rows(batch)
    mine = rows.stop - rows.start
    part = (
        planner.plan(quadratic(rows), batch=mine, action_dim=1, generator=list(range(batch))[rows])
        if mine
        else None
    )
    return planner.gather(part)


def work(rank: int, ranks: int, port: int, folder: str) -> None:
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    dist.init_process_group("gloo", rank=rank, world_size=ranks)
    try:
        plan = shared()
        found = {"exact": (plan.actions, plan.cost, plan.elites, plan.trace.best_cost, plan.trace.std)}
        for name, make in PLANNERS.items():
            actions, costs = played(OverRanks(make()))
            found[name] = (torch.from_numpy(np.stack(actions)), costs)  # type: ignore[assignment]
        few, _ = played(OverRanks(PLANNERS["cem"]()), environments=1)  # fewer than processes
        found["few"] = (torch.from_numpy(np.stack(few)),)  # type: ignore[assignment]
        torch.save(found, f"{folder}/{rank}.pt")
    finally:
        dist.destroy_process_group()


@pytest.mark.parametrize("ranks", [2, 3])
def test_every_process_gets_the_plans_of_one(ranks: int, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    spawn(work, (ranks, port, str(tmp_path)), nprocs=ranks)
    plan = shared()
    exact = (plan.actions, plan.cost, plan.elites, plan.trace.best_cost, plan.trace.std)
    few, _ = played(PLANNERS["cem"](), environments=1)
    for rank in range(ranks):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for one, other in zip(found["exact"], exact, strict=True):
            assert torch.equal(one, other)
        for name, make in PLANNERS.items():
            actions, costs = played(make())
            torch.testing.assert_close(found[name][0].numpy(), np.stack(actions), atol=1e-5, rtol=1e-5)
            for one, other in zip(found[name][1], costs, strict=True):
                torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)
        assert np.array_equal(found["few"][0].numpy(), np.stack(few))


def test_without_other_processes_nothing_changes() -> None:
    for make in PLANNERS.values():
        due, costs = played(make())
        found, others = played(OverRanks(make()))
        assert all(np.array_equal(one, other) for one, other in zip(found, due, strict=True))
        assert all(torch.equal(one, other) for one, other in zip(others, costs, strict=True))


def test_shares_differ_by_one_row_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    for ranks, batch in ((3, 7), (4, 2), (1, 5)):
        shares = []
        for rank in range(ranks):
            monkeypatch.setattr("leworld.planners._over_ranks.active_group", lambda _: object())
            monkeypatch.setattr(dist, "get_world_size", lambda _, n=ranks: n)
            monkeypatch.setattr(dist, "get_rank", lambda _, r=rank: r)
            shares.append(OverRanks(CEMPlanner(2)).rows(batch))
        rows = [row for share in shares for row in range(batch)[share]]
        assert rows == list(range(batch))
        sizes = [share.stop - share.start for share in shares]
        assert max(sizes) - min(sizes) <= 1


def test_a_plan_of_all_has_every_field() -> None:
    plan = shared()
    assert {field.name for field in fields(plan)} == {"actions", "cost", "outcome", "trace", "elites"}
    assert len(plan.outcome) == 7
