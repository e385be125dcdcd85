"""Planning problems with known optima, one parameter set a row, computed row by row without cross-talk.

Sums are explicit additions in a fixed order, so that a candidate's cost has the same bits in every batch.
Every cost is a `LiftedCost`, so that planners with virtual states meet the same problems as the others.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from leworld.planners import LiftedCost

Cost = Callable[[Tensor], Tensor]


class Stepwise(LiftedCost):
    """A cost of actions together with states that lead to it step by step.

    `step(before, actions, times)` maps states and actions (batch, sample, time, ...) of the steps `times` to
    the states after them, side by side, and `distance` of the last state is the cost.
    """

    def __init__(
        self,
        cost: Cost,
        step: Callable[[Tensor, Tensor, slice], Tensor],
        *,
        start: Tensor,
        distance: Cost = lambda states: states[..., 0],
    ) -> None:
        self.cost, self.step, self.start, self.distance = cost, step, start, distance

    def __call__(self, actions: Tensor) -> Tensor:
        return self.cost(actions)

    def rollout(self, actions: Tensor) -> Tensor:
        states = [self._first(actions)]
        for time in range(actions.shape[2]):
            states.append(
                self.step(states[-1], actions[:, :, time : time + 1], slice(time, time + 1)).to(actions)
            )
        return torch.cat(states[1:], dim=2)

    def transition(self, states: Tensor, actions: Tensor) -> Tensor:
        before = torch.cat((self._first(actions), states), dim=2)
        return self.step(before, actions, slice(0, actions.shape[2]))

    def goal_distance(self, states: Tensor) -> Tensor:
        return self.distance(states)

    def guess_states(self, actions: Tensor) -> Tensor:
        return self.rollout(actions)[:, :, :-1]

    def _first(self, actions: Tensor) -> Tensor:
        start = self.start.to(actions).reshape(-1, 1, 1, self.start.shape[-1])
        return start.expand(len(actions), actions.shape[1], -1, -1)


def additive(cost: Cost, terms: Callable[[Tensor, slice], Tensor], size: int = 1, **options) -> Stepwise:
    """A cost whose states add up `terms(actions, times)`, (batch, sample, time, size)."""

    def step(before: Tensor, actions: Tensor, times: slice) -> Tensor:
        return before + terms(actions, times)

    return Stepwise(cost, step, start=torch.zeros(1, size), **options)


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
    make: Callable[[Sequence[float], int], Instance]  # (row parameters, horizon)
    tolerance: float = 0.01  # share of the cost of doing nothing that may be left


def ordered_sum(values: Tensor) -> Tensor:
    """Sum the last two axes by halves, one elementwise addition a level."""
    flat = values.flatten(-2)
    while flat.shape[-1] > 1:
        half = flat.shape[-1] // 2
        folded = flat[..., :half] + flat[..., half : 2 * half]
        flat = torch.cat((folded, flat[..., 2 * half :]), dim=-1)
    return flat[..., 0]


def _step_sum(values: Tensor) -> Tensor:
    """Sum the action axis and keep it."""
    return ordered_sum(values.unsqueeze(-2)).unsqueeze(-1)


def _column(rows: Sequence[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float32)[:, None, None, None]


def separable(rows: Sequence[float], horizon: int) -> Instance:
    target = 0.5 - 0.3 * _column(rows) + torch.tensor([0.0, -0.7])
    cost = additive(
        lambda actions: ordered_sum((actions - target).square()),
        lambda actions, times: _step_sum((actions - target).square()),
    )
    return Instance(cost, torch.zeros(len(rows)), 2)


def ill_conditioned(rows: Sequence[float], horizon: int) -> Instance:
    target = 0.5 - 0.3 * _column(rows)
    weights = torch.logspace(0, 3, 2 * horizon).reshape(horizon, 2)
    cost = additive(
        lambda actions: ordered_sum(weights * (actions - target).square()),
        lambda actions, times: _step_sum(weights[times] * (actions - target).square()),
    )
    return Instance(cost, torch.zeros(len(rows)), 2)


def on_a_bound(rows: Sequence[float], horizon: int) -> Instance:
    target = torch.tensor([2.0, -3.0]) - 0.1 * _column(rows)
    edge = torch.tensor([1.0, -1.0]) - target
    optimum = ordered_sum(edge.square().expand(-1, -1, horizon, -1))[:, 0]
    cost = additive(
        lambda actions: ordered_sum((actions - target).square()),
        lambda actions, times: _step_sum((actions - target).square()),
    )
    return Instance(cost, optimum, 2, (-1.0, 1.0))


def two_basins(rows: Sequence[float], horizon: int) -> Instance:
    """The lower basin is nearer; halfway between the two, the cost is high."""
    near, far = 0.6 + 0.05 * _column(rows), -1.0

    def cost(actions: Tensor) -> Tensor:
        worse = ordered_sum((actions - far).square()) + 0.3 * horizon
        return torch.minimum(ordered_sum((actions - near).square()), worse)

    def terms(actions: Tensor, times: slice) -> Tensor:
        return torch.cat([_step_sum((actions - basin).square()) for basin in (near, far)], dim=-1)

    def distance(states: Tensor) -> Tensor:
        return torch.minimum(states[..., 0], states[..., 1] + 0.3 * horizon)

    return Instance(additive(cost, terms, size=2, distance=distance), torch.zeros(len(rows)), 1)


def flat(rows: Sequence[float], horizon: int) -> Instance:
    level = 3.0 + _column(rows)[:, :, 0, 0]
    cost = additive(
        lambda actions: level + 0.0 * ordered_sum(actions),
        lambda actions, times: 0.0 * actions[..., :1],
        distance=lambda states: level.unsqueeze(-1) + states[..., 0],
    )
    return Instance(cost, level[:, 0], 2, (-1.0, 1.0))


def discontinuous(rows: Sequence[float], horizon: int) -> Instance:
    target = 0.5 + 0.1 * _column(rows)
    cost = additive(
        lambda actions: ordered_sum((4 * (actions - target).abs()).floor()),
        lambda actions, times: _step_sum((4 * (actions - target).abs()).floor()),
    )
    return Instance(cost, torch.zeros(len(rows)), 1)


def double_integrator(rows: Sequence[float], horizon: int) -> Instance:
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

    def step(before: Tensor, actions: Tensor, times: slice) -> Tensor:
        position, velocity, spent = before.unbind(-1)
        push = actions[..., 0]
        position = position + dt * velocity + 0.5 * dt * dt * push
        velocity = velocity + dt * push
        terms = weights[0] * position.square() + weights[1] * velocity.square() + effort * push.square()
        return torch.stack((position, velocity, spent + terms), dim=-1)

    begin = torch.cat((torch.tensor(start, dtype=torch.float32), torch.zeros(len(start), 1)), dim=1)
    lifted = Stepwise(cost, step, start=begin, distance=lambda states: states[..., 2])
    return Instance(lifted, optimum, 1)


PROBLEMS = (
    TestProblem("separable", separable),
    TestProblem("ill-conditioned", ill_conditioned, tolerance=0.02),
    TestProblem("optimum on a bound", on_a_bound, tolerance=0.02),
    TestProblem("two basins", two_basins, tolerance=0.02),
    TestProblem("flat", flat),
    TestProblem("discontinuous", discontinuous, tolerance=0.1),
    TestProblem("double integrator", double_integrator, tolerance=0.03),
)
