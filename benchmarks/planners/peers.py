"""Our MPPI beside pytorch_mppi's and our CEM beside torch-world's: the same problems, the same evaluations.

All planners roll out the same step functions, one call a step, with the same samples and iterations. Ours
spends one more evaluation, the last, to tell the plan's true cost.
"""

import importlib.metadata
import importlib.util
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks.harness import paired, write_result
from leworld.planners import CEMPlanner, MPPIPlanner, Planner
from tests.planners.problems import PROBLEMS, Instance

PACKAGES = {"pytorch_mppi": "pytorch-mppi", "arm_pytorch_utilities": "arm-pytorch-utilities"} | {
    "pytorch_seed": "pytorch-seed",
    "torch_world": "torch-world",
}
SAMPLES, ELITES, ITERATIONS = 300, 30, 30
HORIZONS, ROWS, TUNING_ROWS, REPEATS = (5, 25), 40, 8, {1: 41, 64: 9}  # repeats by batch
GRID = [(temperature, std) for temperature in (0.01, 0.1, 1.0) for std in (0.1, 0.3, 1.0)]
CEM, MPPI = "torch-world CEM", "pytorch_mppi MPPI"


def missing() -> list[str]:
    """Names on PyPI of the packages that are not installed."""
    return [name for module, name in PACKAGES.items() if importlib.util.find_spec(module) is None]


class Looped:
    """A problem's cost by its step function, one call a step: what each of the planners is given."""

    def __init__(self, instance: Instance) -> None:
        self.cost = instance.cost
        self.size = instance.cost.start.shape[-1]

    def __call__(self, actions: Tensor) -> Tensor:
        """Return (batch, sample) costs."""
        states = self.cost.start.view(-1, 1, 1, self.size).expand(*actions.shape[:2], -1, -1)
        for now in range(actions.shape[2]):
            states = self.cost.step(states, actions[:, :, now : now + 1], slice(now, now + 1))
        return self.cost.distance(states)[:, :, 0]


class WorldModel:
    """A problem as torch-world's planner wants it: a rollout, and a cost of the rollout."""

    def __init__(self, instance: Instance, rows: int) -> None:
        self.looped, self.rows = Looped(instance), rows

    def rollout(self, latents: Tensor, actions: Tensor) -> Tensor:
        """Hand the actions on; `cost` does the work, so that it is the same for all planners."""
        return actions

    def cost(self, rolled: Tensor, goal: Tensor) -> Tensor:
        """Return one cost a rollout."""
        return self.looped(rolled.unflatten(0, (self.rows, -1))).flatten()


def torch_world(instance: Instance, rows: int, horizon: int) -> Callable[[int], Tensor]:
    """Plan by torch-world's CEM, all rows in one call."""
    from torch_world.planning import CEM as Peer

    planner = Peer(
        horizon,
        instance.action_dim,
        num_samples=SAMPLES,
        num_elites=ELITES,
        iterations=ITERATIONS,
        bounds=instance.bounds,
    )
    model = WorldModel(instance, rows)

    def plan(seed: int) -> Tensor:
        source = torch.Generator().manual_seed(seed)
        return planner(model, torch.zeros(rows, 1, 1), torch.zeros(rows, 1), generator=source)

    return plan


def pytorch_mppi(
    instance: Instance, rows: int, horizon: int, *, temperature: float = 1.0, std: float = 1.0
) -> Callable[[int], Tensor]:
    """Plan by pytorch_mppi: `MPPI` for one row, `MPPI_Batched`, whose rows share noise, for several."""
    from pytorch_mppi import MPPI as Single
    from pytorch_mppi import MPPI_Batched as Batched

    cost, dim = instance.cost, instance.action_dim
    size = cost.start.shape[-1]

    def dynamics(states: Tensor, actions: Tensor, now: int) -> Tensor:
        shaped = states.view(rows, -1, 1, size), actions.view(rows, -1, 1, dim)
        return cost.step(*shaped, slice(now, now + 1)).view(-1, size)

    def running_cost(states: Tensor, actions: Tensor, now: int) -> Tensor:
        if now < horizon - 1:
            return states.new_zeros(len(states))
        return cost.distance(states.view(rows, -1, 1, size)).flatten()

    bounds = {}
    if instance.bounds is not None:
        bounds = dict(
            zip(("u_min", "u_max"), (torch.full((dim,), end) for end in instance.bounds), strict=True)
        )
    start = cost.start.view(-1, size).expand(rows, size).contiguous()
    common = {"num_samples": SAMPLES, "horizon": horizon, "lambda_": temperature} | bounds

    def plan(seed: int) -> Tensor:
        torch.manual_seed(seed)
        noise = torch.eye(dim) * std**2
        if rows == 1:
            planner = Single(
                dynamics,
                running_cost,
                size,
                noise,
                U_init=torch.zeros(horizon, dim),
                step_dependent_dynamics=True,
                **common,
            )
        else:
            planner = Batched(
                dynamics, running_cost, size, noise, rows, step_dependent_dynamics=True, **common
            )
            planner.U = torch.zeros(rows, horizon, dim)
        for _ in range(ITERATIONS):
            planner.command(start[0] if rows == 1 else start, shift_nominal_trajectory=False)
        found = planner.U.view(rows, horizon, dim)
        return found if instance.bounds is None else found.clamp(*instance.bounds)

    return plan


def ours(
    planner: Planner, instance: Instance, rows: int, *, own_noise: bool = True
) -> Callable[[int], Tensor]:
    """Plan by leworld, with a seed for each row or with one for all."""
    cost = Looped(instance)

    def plan(seed: int) -> Tensor:
        source = torch.Generator().manual_seed(seed)
        if not own_noise:
            source = [torch.Generator().manual_seed(seed) for _ in range(rows)]
        return planner.plan(
            cost, batch=rows, action_dim=instance.action_dim, bounds=instance.bounds, generator=source
        ).actions

    return plan


def share_left(instance: Instance, actions: Tensor) -> Tensor:
    """Cost above the optimum over that of doing nothing, by row."""
    idle = instance.cost(torch.zeros_like(actions[:, None]))[:, 0] - instance.optimum
    return ((instance.cost(actions[:, None])[:, 0] - instance.optimum) / idle).clamp(min=0).double()


def compare(
    peer: str, problem: str, horizon: int, left: Tensor, theirs: Tensor, **facts: Any
) -> dict[str, Any]:
    """Summarise paired shares, with a 95 % interval of the mean difference."""
    difference = left - theirs
    half = 1.96 * difference.std().item() / math.sqrt(len(difference))
    row = {"what": "cost", "peer": peer, "problem": problem, "horizon": horizon, **facts} | {
        "ours": left.mean().item(),
        "theirs": theirs.mean().item(),
        "difference": difference.mean().item(),
        "low": difference.mean().item() - half,
        "high": difference.mean().item() + half,
    }
    print(
        f"{peer:18} {problem:18} horizon {horizon:2} ours {row['ours']:9.2g} theirs {row['theirs']:9.2g} "
        f"difference {row['low']:9.2g} to {row['high']:9.2g}  {facts or ''}"
    )
    return row


def costs() -> list[dict[str, Any]]:
    """Compare what is left, over rows with problems and seeds of their own."""
    rows = []
    for problem in (problem for problem in PROBLEMS if problem.name != "flat"):
        for horizon in HORIZONS:
            instance = problem.make([3.0 * row / ROWS for row in range(ROWS)], horizon)
            probe = torch.randn(
                ROWS, 5, horizon, instance.action_dim, generator=torch.Generator().manual_seed(0)
            )
            torch.testing.assert_close(Looped(instance)(probe), instance.cost(probe), rtol=1e-4, atol=1e-4)
            cem = CEMPlanner(horizon, SAMPLES, num_elites=ELITES, num_iterations=ITERATIONS, min_std=0.0)
            left = share_left(instance, ours(cem, instance, ROWS)(0))
            theirs = share_left(instance, torch_world(instance, ROWS, horizon)(0))
            rows.append(compare(CEM, problem.name, horizon, left, theirs))
            mppi = MPPIPlanner(horizon, SAMPLES, num_iterations=ITERATIONS)
            singles = [problem.make([3.0 * row / TUNING_ROWS], horizon) for row in range(TUNING_ROWS)]
            mine = torch.cat([share_left(one, ours(mppi, one, 1)(row)) for row, one in enumerate(singles)])
            found = {}
            for temperature, std in GRID:
                found[temperature, std] = torch.cat(
                    [
                        share_left(one, pytorch_mppi(one, 1, horizon, temperature=temperature, std=std)(row))
                        for row, one in enumerate(singles)
                    ]
                ).nan_to_num(nan=1e6, posinf=1e6)
            best = min(found, key=lambda setting: found[setting].mean().item())
            rows.append(
                compare(MPPI, problem.name, horizon, mine, found[1.0, 1.0], setting="lambda 1, std 1")
            )
            setting = f"best of {len(GRID)}: lambda {best[0]}, std {best[1]}"
            rows.append(compare(MPPI, problem.name, horizon, mine, found[best], setting=setting))
    return rows


def times() -> list[dict[str, Any]]:
    """Time whole plans side by side."""
    rows = []
    for problem in PROBLEMS[:1] + PROBLEMS[-1:]:
        for horizon in HORIZONS:
            for batch in (1, 64):
                instance = problem.make([3.0 * row / batch for row in range(batch)], horizon)
                cem = CEMPlanner(horizon, SAMPLES, num_elites=ELITES, num_iterations=ITERATIONS)
                mppi = MPPIPlanner(horizon, SAMPLES, num_iterations=ITERATIONS)
                groups: dict[str, tuple[Callable[[int], Tensor], Planner]] = {
                    CEM: (torch_world(instance, batch, horizon), cem),
                    MPPI: (pytorch_mppi(instance, batch, horizon), mppi),
                }
                for peer, (theirs, planner) in groups.items():
                    functions = {peer: lambda theirs=theirs: theirs(0)}
                    for name, own in (("leworld", True), ("leworld, one seed for all rows", False)):
                        if batch > 1 or own:
                            mine = ours(planner, instance, batch, own_noise=own)
                            functions[name] = lambda mine=mine: mine(0)
                    for how, row in paired(functions, repeats=REPEATS[batch]).items():
                        facts = {"peer": peer, "problem": problem.name, "horizon": horizon, "batch": batch}
                        rows.append({"what": "time", **facts, "how": how, **row})
                        print(
                            f"{problem.name:18} horizon {horizon:2} batch {batch:2} {how:32} "
                            f"{row['median_ms']:8.1f} ms {row['ratio']:5.2f}x"
                        )
    return rows


def run() -> None:
    """Compare, time, and write planners_peers.json."""
    rows = costs() + times()
    settings = {
        "samples": SAMPLES,
        "elites": ELITES,
        "iterations": ITERATIONS,
        "rows": {CEM: ROWS, MPPI: TUNING_ROWS},
        "share": "cost above the optimum over that of doing nothing, mean over rows",
        "interval": "95 % of the mean paired difference, ours less theirs, normal approximation",
        "baselines": {name: importlib.metadata.version(name) for name in ("torch-world", "pytorch-mppi")},
        "time": "CPU time of a whole plan; ratio is the median of paired rounds, peer over leworld",
        "batched peers": "both plan 64 rows in one call; MPPI_Batched shares noise over rows",
        "not finite": "counted as a share of 1e6",
        "min_std of our CEM": "0 in the comparison of costs, as the peer has no floor",
    }
    path = write_result(
        "planners_peers", command="python benchmarks/run.py planners", settings=settings, rows=rows
    )
    print(f"wrote {path.name}")
