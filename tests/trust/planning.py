"""What the modules about planning share: every planner and wrapper, small, and costs for them."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

import leworld.planners
from leworld.planners import (
    BestSoFar,
    CategoricalCEMPlanner,
    CEMPlanner,
    CMAESPlanner,
    GradientPlanner,
    GRASPPlanner,
    ICEMPlanner,
    KeepGuesses,
    LagrangianPlanner,
    LiftedCost,
    MPPIPlanner,
    OverRanks,
    Planner,
    RandomShootingPlanner,
    Refine,
    WarmStart,
)
from tests.planners.problems import Cost, Stepwise, ordered_sum

Constraint = Callable[[Tensor], Tensor]
HORIZON, SIZE = 2, 2
_TABLE = torch.cartesian_prod(torch.linspace(-1, 1, 7), torch.linspace(-1, 1, 7))


def cem(**changes) -> CEMPlanner:
    return CEMPlanner(HORIZON, **({"num_samples": 24, "num_elites": 5, "num_iterations": 3} | changes))


def gradient() -> GradientPlanner:
    return GradientPlanner(HORIZON, 3, num_iterations=4)


def loose(actions: Tensor) -> Tensor:
    """Always holds."""
    return actions[:, :, 0, :1].abs() - 100.0


def further(init: Tensor) -> Tensor:
    return init + 0.1


@dataclass(frozen=True)
class Case:
    """A planner built around a constraint, which only those with `constrained` keep to."""

    name: str
    build: Callable[[Constraint], Planner]
    constrained: bool = False
    slopes: bool = False  # needs a gradient
    scale: bool = True  # the plan does not depend on the cost's scale

    def __str__(self) -> str:
        return self.name


def lagrangian(constraint: Constraint, planner: Planner | None = None) -> LagrangianPlanner:
    return LagrangianPlanner(planner or cem(), constraint, num_rounds=2)


CASES = (
    Case("CEM", lambda _: cem()),
    Case("CEM mean", lambda _: cem(returns="mean")),
    Case("ICEM", lambda _: ICEMPlanner(HORIZON, 20, num_iterations=3)),
    Case("MPPI", lambda _: MPPIPlanner(HORIZON, 20, num_iterations=3)),
    Case("MPPI fixed", lambda _: MPPIPlanner(HORIZON, 20, num_iterations=3, scale="fixed"), scale=False),
    Case(
        "MPPI of elites",
        lambda _: MPPIPlanner(HORIZON, 20, num_iterations=3, num_elites=6, min_std=0.05, returns="draw"),
    ),
    Case("KeepGuesses(CEM)", lambda _: KeepGuesses(cem())),
    Case("CMAES", lambda _: CMAESPlanner(HORIZON, 8, num_iterations=4)),
    Case("CMAES diagonal", lambda _: CMAESPlanner(HORIZON, 8, num_iterations=4, covariance="diagonal")),
    Case("RandomShooting", lambda _: RandomShootingPlanner(HORIZON, 20, num_iterations=3)),
    Case(
        "CategoricalCEM", lambda _: CategoricalCEMPlanner(_TABLE, HORIZON, num_samples=20, num_iterations=3)
    ),
    Case("Gradient", lambda _: gradient(), slopes=True, scale=False),
    Case(
        "GRASP",
        lambda _: GRASPPlanner(HORIZON, 3, num_iterations=8, sync_every=4, sync_steps=2),
        slopes=True,
        scale=False,
    ),
    Case("OverRanks(CEM)", lambda _: OverRanks(cem())),
    Case("BestSoFar(MPPI)", lambda _: BestSoFar(MPPIPlanner(HORIZON, 20, num_iterations=3))),
    Case("Refine(CEM, Gradient)", lambda _: Refine(cem(), gradient()), slopes=True, scale=False),
    Case("WarmStart(CEM)", lambda _: WarmStart(cem(), further)),
    Case("Lagrangian(CEM)", lagrangian, constrained=True, scale=False),
    Case(
        "Lagrangian(MPPI)",
        lambda g: lagrangian(g, MPPIPlanner(HORIZON, 20, num_iterations=3)),
        constrained=True,
        scale=False,
    ),
    Case("BestSoFar(Lagrangian)", lambda g: BestSoFar(lagrangian(g)), constrained=True, scale=False),
    Case("WarmStart(Lagrangian)", lambda g: WarmStart(lagrangian(g), further), constrained=True, scale=False),
    Case("Refine(CEM, Lagrangian)", lambda g: Refine(cem(), lagrangian(g)), constrained=True, scale=False),
    Case("Refine(Lagrangian, CEM)", lambda g: Refine(lagrangian(g), cem()), constrained=True, scale=False),
    Case(
        "Refine(Lagrangian, MPPI)",
        lambda g: Refine(lagrangian(g), MPPIPlanner(HORIZON, 20, num_iterations=3)),
        constrained=True,
        scale=False,
    ),
    Case(
        "Lagrangian(Lagrangian)",
        lambda g: lagrangian(loose, lagrangian(g)),
        constrained=True,
        scale=False,
    ),
)


def public_planners() -> set[type]:
    return {
        kind
        for kind in vars(leworld.planners).values()
        if inspect.isclass(kind) and issubclass(kind, Planner) and not inspect.isabstract(kind)
    }


def lifted(cost: Cost) -> LiftedCost:
    """Let a cost of actions show dynamics: a state is the sum of the squares so far."""

    def step(before: Tensor, actions: Tensor, times: slice) -> Tensor:
        return before + ordered_sum((actions - 0.3).square().unsqueeze(-2)).unsqueeze(-1)

    return Stepwise(cost, step, start=torch.zeros(1, 1))


def quadratic(actions: Tensor) -> Tensor:
    return ordered_sum((actions - 0.3).square())
