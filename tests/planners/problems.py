"""Planning problems with known optima, one parameter set a row, computed row by row without cross-talk.

Sums are explicit additions in a fixed order, so that a candidate's cost has the same bits in every batch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

Cost = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Instance:
    cost: Cost
    optimum: Tensor  # " batch"
    action_dim: int
    bounds: tuple[float, float] | None = None


@dataclass(frozen=True)
class TestProblem:
    __test__ = False
    name: str
    make: Callable[[Sequence[int], int], Instance]  # (row parameters, horizon)
    smooth: bool = True
    tolerance: float = 0.01  # share of the cost of doing nothing that may be left


def ordered_sum(values: Tensor) -> Tensor:
    """Sum the last two axes by halves, one elementwise addition a level."""
    flat = values.flatten(-2)
    while flat.shape[-1] > 1:
        half = flat.shape[-1] // 2
        folded = flat[..., :half] + flat[..., half : 2 * half]
        flat = torch.cat((folded, flat[..., 2 * half :]), dim=-1)
    return flat[..., 0]


def _column(rows: Sequence[int]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float32)[:, None, None, None]


def separable(rows: Sequence[int], horizon: int) -> Instance:
    target = 0.5 - 0.3 * _column(rows) + torch.tensor([0.0, -0.7])
    return Instance(lambda actions: ordered_sum((actions - target).square()), torch.zeros(len(rows)), 2)


def ill_conditioned(rows: Sequence[int], horizon: int) -> Instance:
    target = 0.5 - 0.3 * _column(rows)
    weights = torch.logspace(0, 3, 2 * horizon).reshape(horizon, 2)
    return Instance(
        lambda actions: ordered_sum(weights * (actions - target).square()), torch.zeros(len(rows)), 2
    )


def on_a_bound(rows: Sequence[int], horizon: int) -> Instance:
    target = torch.tensor([2.0, -3.0]) - 0.1 * _column(rows)
    edge = torch.tensor([1.0, -1.0]) - target
    optimum = ordered_sum(edge.square().expand(-1, -1, horizon, -1))[:, 0]
    return Instance(lambda actions: ordered_sum((actions - target).square()), optimum, 2, (-1.0, 1.0))


def two_basins(rows: Sequence[int], horizon: int) -> Instance:
    """The lower basin is nearer; halfway between the two, the cost is high."""
    near, far = 0.6 + 0.05 * _column(rows), -1.0

    def cost(actions: Tensor) -> Tensor:
        worse = ordered_sum((actions - far).square()) + 0.3 * horizon
        return torch.minimum(ordered_sum((actions - near).square()), worse)

    return Instance(cost, torch.zeros(len(rows)), 1)


def flat(rows: Sequence[int], horizon: int) -> Instance:
    level = 3.0 + _column(rows)[:, :, 0, 0]
    return Instance(lambda actions: level + 0.0 * ordered_sum(actions), level[:, 0], 2, (-1.0, 1.0))


def discontinuous(rows: Sequence[int], horizon: int) -> Instance:
    target = 0.5 + 0.1 * _column(rows)
    return Instance(
        lambda actions: ordered_sum((4 * (actions - target).abs()).floor()), torch.zeros(len(rows)), 1
    )


def double_integrator(rows: Sequence[int], horizon: int) -> Instance:
    """Position and velocity under an acceleration, quadratic costs: the optimum is Riccati's."""
    dt, weights, effort = 0.5, (1.0, 0.1), 0.3
    start = np.stack([np.array([1.0 + 0.1 * row, -0.5 + 0.05 * row]) for row in rows])
    transition, gain = np.array([[1.0, dt], [0.0, 1.0]]), np.array([[0.5 * dt * dt], [dt]])
    state_cost = np.diag(weights)
    value = np.zeros((2, 2))  # V_H = 0; each step adds the cost of the state that it reaches
    for _ in range(horizon):
        reached = state_cost + value
        feedback = np.linalg.solve(
            effort * np.eye(1) + gain.T @ reached @ gain, gain.T @ reached @ transition
        )
        closed = transition - gain @ feedback
        value = effort * feedback.T @ feedback + closed.T @ reached @ closed
    optimum = torch.tensor(np.einsum("bi,ij,bj->b", start, value, start), dtype=torch.float32)

    def cost(actions: Tensor) -> Tensor:
        begin = torch.tensor(start, dtype=actions.dtype)[:, None, None]
        push = actions[..., 0]
        velocity = begin[..., 1] + dt * push.cumsum(2)
        before = torch.cat((begin[..., 1].expand_as(push[:, :, :1]), velocity[:, :, :-1]), dim=2)
        position = begin[..., 0] + (dt * before + 0.5 * dt * dt * push).cumsum(2)
        terms = (weights[0] * position.square(), weights[1] * velocity.square(), effort * push.square())
        return ordered_sum(torch.stack(terms, dim=-1))

    return Instance(cost, optimum, 1)


PROBLEMS = (
    TestProblem("separable", separable),
    TestProblem("ill-conditioned", ill_conditioned, tolerance=0.02),
    TestProblem("optimum on a bound", on_a_bound, tolerance=0.02),
    TestProblem("two basins", two_basins, tolerance=0.02),
    TestProblem("flat", flat),
    TestProblem("discontinuous", discontinuous, smooth=False, tolerance=0.1),
    TestProblem("double integrator", double_integrator, tolerance=0.03),
)
