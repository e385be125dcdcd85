"""How much of the cost each planner leaves after how many evaluations and how many seconds."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.harness import write_result
from leworld.planners import (
    BestSoFar,
    CategoricalCEMPlanner,
    CEMPlanner,
    CMAESPlanner,
    GradientPlanner,
    GRASPPlanner,
    ICEMPlanner,
    LagrangianPlanner,
    LiftedCost,
    MPPIPlanner,
    Planner,
    RandomShootingPlanner,
    Refine,
    WarmStart,
)
from tests.planners.problems import PROBLEMS, Stepwise, TestProblem

HORIZON, SEEDS, BUDGET, ENOUGH = 10, 4, 9000, 0.01
CHECKPOINTS = (300, 1000, 3000, BUDGET)
GRADIENT = 3  # an evaluation with its gradient counts as three


def choices(action_dim: int) -> Tensor:
    """A grid in steps of a quarter."""
    steps = torch.linspace(-1.25, 1.25, 11)
    return torch.cartesian_prod(*[steps] * action_dim).reshape(-1, action_dim)


def loose(actions: Tensor) -> Tensor:
    """A constraint that always holds."""
    return actions[:, :, 0, :1].abs() - 100.0


# Given the size of an action, each with settings that spend about BUDGET evaluations; gradients need fewer.
PLANNERS: dict[str, Callable[[int], Planner]] = {
    "CEM": lambda dim: CEMPlanner(HORIZON),
    "iCEM": lambda dim: ICEMPlanner(HORIZON, shrinkage=1.0),
    "MPPI": lambda dim: MPPIPlanner(HORIZON),
    "BestSoFar(MPPI)": lambda dim: BestSoFar(MPPIPlanner(HORIZON)),
    "CMA-ES": lambda dim: CMAESPlanner(HORIZON),
    "CMA-ES, diagonal": lambda dim: CMAESPlanner(HORIZON, covariance="diagonal"),
    "random shooting": lambda dim: RandomShootingPlanner(HORIZON, num_iterations=30, decay=0.85),
    "gradient": lambda dim: GradientPlanner(HORIZON, num_iterations=375),
    "GRASP": lambda dim: GRASPPlanner(HORIZON, num_iterations=400),
    "categorical CEM": lambda dim: CategoricalCEMPlanner(choices(dim), HORIZON),
    "Lagrangian(CEM)": lambda dim: LagrangianPlanner(
        CEMPlanner(HORIZON, num_iterations=15), loose, num_rounds=2
    ),
    "Refine(CEM, gradient)": lambda dim: Refine(
        CEMPlanner(HORIZON, num_iterations=8), GradientPlanner(HORIZON, 1, num_iterations=200)
    ),
    "Refine(GRASP, gradient)": lambda dim: Refine(
        GRASPPlanner(HORIZON, num_iterations=200), GradientPlanner(HORIZON, 1, num_iterations=200)
    ),
    "WarmStart(CEM)": lambda dim: WarmStart(CEMPlanner(HORIZON), lambda init: init),
}


class Meter(LiftedCost):
    """Counts evaluations, and notes after each the best cost so far and the seconds."""

    def __init__(self, cost: Stepwise) -> None:
        self.inner = cost
        self.evaluations, self.best = 0, float("inf")
        self.curve: list[tuple[int, float, float]] = []
        self.started = time.process_time()

    def __call__(self, actions: Tensor) -> Tensor:
        """Score, count and note."""
        costs = self.inner(actions)
        self.count(actions)
        self.best = min(self.best, costs.detach().min().item())
        self.curve.append((self.evaluations, time.process_time() - self.started, self.best))
        return costs

    def count(self, actions: Tensor) -> None:
        """Add what these sequences cost."""
        self.evaluations += actions.shape[1] * (GRADIENT if actions.requires_grad else 1)

    def rollout(self, actions: Tensor) -> Tensor:
        """Count and pass on."""
        self.count(actions)
        return self.inner.rollout(actions)

    def transition(self, states: Tensor, actions: Tensor) -> Tensor:
        """Count and pass on."""
        self.count(actions)
        return self.inner.transition(states, actions)

    def goal_distance(self, states: Tensor) -> Tensor:
        """Pass on."""
        return self.inner.goal_distance(states)

    def guess_states(self, actions: Tensor) -> Tensor:
        """Count and pass on."""
        self.count(actions)
        return self.inner.guess_states(actions)


def measure(build: Callable[[int], Planner], problem: TestProblem) -> dict[str, Any]:
    """Plan from every seed, each with a problem of its own, and summarise."""
    left, reached, seconds = [], [], []
    for seed in range(SEEDS):
        instance = problem.make([3.0 * seed / SEEDS], HORIZON)
        optimum = instance.optimum.item()
        idle = instance.cost(torch.zeros(1, 1, HORIZON, instance.action_dim)).item() - optimum
        meter = Meter(instance.cost)
        plan = build(instance.action_dim).plan(
            meter,
            batch=1,
            action_dim=instance.action_dim,
            bounds=instance.bounds,
            generator=torch.Generator().manual_seed(seed),
        )
        if plan.cost.item() < optimum - 1e-4 * (1 + abs(optimum)):
            raise SystemExit(f"{problem.name}: a plan below the optimum; nothing was written")
        curve = np.array([(used, spent, (best - optimum) / idle) for used, spent, best in meter.curve])
        left.append([curve[max(0, np.searchsorted(curve[:, 0], at, "right") - 1), 2] for at in CHECKPOINTS])
        enough = np.flatnonzero(curve[:, 2] <= ENOUGH)
        reached.append(curve[enough[0], :2] if len(enough) else np.array([np.inf, np.inf]))
        seconds.append((curve[-1, 0], curve[-1, 1]))
    low, middle, high = np.maximum(np.quantile(left, (0.25, 0.5, 0.75), axis=0), 0)
    enough = np.array(reached)
    found = int(np.isfinite(enough[:, 0]).sum())
    typical = np.quantile(enough, 0.5, axis=0, method="higher")
    return {
        "left": dict(zip(map(str, CHECKPOINTS), middle.tolist(), strict=True)),
        "left_low": low[-1],
        "left_high": high[-1],
        "seeds_with_enough": found,
        "evaluations_to_enough": int(typical[0]) if np.isfinite(typical[0]) else None,
        "ms_to_enough": 1e3 * typical[1] if np.isfinite(typical[1]) else None,
        "evaluations": int(np.median(seconds, axis=0)[0]),
        "plan_ms": 1e3 * float(np.median(seconds, axis=0)[1]),
    }


def run() -> None:
    """Measure every planner on every problem."""
    problems = [problem for problem in PROBLEMS if problem.name != "flat"]
    rows = []
    for name, build in PLANNERS.items():
        measure(build, problems[0])  # warm-up
        for problem in problems:
            row = measure(build, problem)
            rows.append({"planner": name, "problem": problem.name, **row})
            print(
                f"{name:24} {problem.name:20} {row['left'][str(BUDGET)]:9.2g} left, "
                f"1 % after {row['evaluations_to_enough']} evaluations, {row['plan_ms']:.0f} ms"
            )
    settings = {
        "horizon": HORIZON,
        "seeds": SEEDS,
        "budget": BUDGET,
        "enough": ENOUGH,
        "gradient_counts": GRADIENT,
        "batch": 1,
        "left": "best cost so far above the optimum, over that of doing nothing; median over seeds",
        "time": "CPU time of the process, cost included",
    }
    path = write_result(
        "planners_analytic", command="python benchmarks/run.py planners", settings=settings, rows=rows
    )
    print(f"wrote {path.name}")
