"""The only place where candidates meet the cost: bounds, chunks, shape checks, NaN, and the best so far."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import describe
from ..errors import ConfigError, ShapeError
from ._lifted_cost import LiftedCost
from ._problem import Problem

CostFunction = Callable[[Tensor], Tensor]


@final
@dataclass(frozen=True)
class Evaluated:
    """Candidates exactly as the cost saw them, with their costs; NaN and infinite costs have become +inf.

    Example:
        ```python
        import torch
        from leworld.planners import Evaluated

        evaluated = Evaluated(torch.zeros(1, 2, 5, 3), torch.tensor([[float("inf"), 1.0]]))
        assert evaluated.order().tolist() == [[1, 0]]
        ```

    Attributes:
        actions: The candidates.
        costs: Their costs.
        all_finite: Whether no cost is infinite, if that could be told without waiting for a device. It
            chooses between two ways to the same bits; False is always safe.
    """

    actions: Float[Tensor, "batch sample horizon action"]
    costs: Float[Tensor, "batch sample"]
    all_finite: bool = False

    def order(self) -> Tensor:
        """Return the sample indices from the lowest cost to the highest; ties keep the samples' order."""
        return self.costs.argsort(dim=1, stable=True)


@final
class Evaluator:
    """Shows candidates to the cost and remembers, for every row, the best of them.

    `plan` makes one for each search and hands it to the planner's `step`. Because a planner has no other way
    to the cost, three things hold for every planner: the cost sees only sequences inside the bounds, a NaN or
    infinite cost never wins, and the best sequence is never lost.

    Args:
        cost: `cost(actions)` -> "batch sample", lower is better.
        problem: Bounds and dtype.
        max_candidates: Most sequences, over all rows, in one call of `cost`; None for no limit.
        deadline: Reading of `time.perf_counter()` that ends the search, or None; see `time_is_up`.

    Attributes:
        costs: All costs so far, one tensor (batch, sample) a call, infinite where they were not finite.
        num_evaluations: Sequences shown to the cost so far, for every row.

    Example:
        ```python
        import torch
        from leworld.planners import Evaluator, Problem

        one = torch.ones(1)
        problem = Problem(torch.zeros(1, 1, 1), -one, one, torch.tensor([0]), torch.float32)
        evaluate = Evaluator(lambda actions: actions.sum((2, 3)), problem)
        evaluated = evaluate(torch.tensor([[[[-3.0]], [[2.0]]]]))
        assert evaluated.actions.flatten().tolist() == [-1.0, 1.0]
        assert evaluate.best_cost.tolist() == [-1.0]
        ```
    """

    def __init__(
        self,
        cost: CostFunction,
        problem: Problem,
        *,
        max_candidates: int | None = None,
        deadline: float | None = None,
    ) -> None:
        self._cost = cost
        self._problem = problem
        self._chunk = None if max_candidates is None else max(1, max_candidates // max(1, len(problem.init)))
        self.deadline = deadline
        self._best_actions = problem.init.to(problem.dtype).to(problem.init.dtype)
        self._best_cost = problem.init.new_full((len(problem.init),), math.inf)
        self._dtype, self._on_cpu = problem.init.dtype, problem.init.device.type == "cpu"
        self.costs: list[Tensor] = []
        self.num_evaluations = 0

    @property
    def best_actions(self) -> Tensor:
        """The best sequence of every row so far, at first the problem's first guess."""
        return self._best_actions.clone()

    @property
    def best_cost(self) -> Tensor:
        """The cost of `best_actions`, at first infinite."""
        return self._best_cost.clone()

    def time_is_up(self) -> bool:
        """Say whether the deadline has passed. A step of several evaluations asks between them.

        If so, the step returns what it has; `plan` then returns the best sequence so far.
        """
        if self.deadline is None:
            return False
        if not self._on_cpu:
            self._best_cost.sum().item()  # wait for queued work, or the clock would measure launches only
        return time.perf_counter() >= self.deadline

    def __call__(self, actions: Tensor) -> Evaluated:
        """Clip `actions` ("batch sample horizon action") to the bounds and return their costs."""
        if torch.is_grad_enabled():
            with torch.no_grad():
                return self(actions)
        shown = self._show(actions)
        if self._chunk is None or shown.shape[1] <= self._chunk:
            return self._record(shown, self._checked(shown, self._cost(shown)))
        parts = shown.split(self._chunk, dim=1)
        costs = [self._checked(part, self._cost(part)) for part in parts]
        return self._record(shown, torch.cat(costs, dim=1))

    def gradient(self, actions: Tensor) -> tuple[Evaluated, Tensor]:
        """Return the costs and their gradient with respect to `actions`; nothing else receives a gradient.

        Rows and samples are differentiated together and do not mix. Where a cost is not finite, or the
        gradient itself is not, the gradient is zero.
        """
        shown = self._show(actions.detach())
        size = self._chunk or max(1, shown.shape[1])
        costs, gradients = [], []
        for part in shown.split(size, dim=1):
            with torch.enable_grad():
                leaf = part.detach().requires_grad_(True)
                cost = self._checked(leaf, self._cost(leaf))
                if not cost.requires_grad:
                    raise ShapeError(
                        "A gradient planner needs a cost that is differentiable in the actions",
                        "the returned costs carry no gradient",
                        "Compute the cost with torch operations outside no_grad, or use CEMPlanner",
                    )
                (gradient,) = torch.autograd.grad(cost.sum(), leaf)
            costs.append(cost.detach())
            gradients.append(gradient.to(self._problem.init.dtype))
        with torch.no_grad():
            evaluated = self._record(shown, torch.cat(costs, dim=1))
            gradient = torch.cat(gradients, dim=1)
            usable = evaluated.costs.isfinite()[:, :, None, None] & gradient.isfinite()
            return evaluated, torch.where(usable, gradient, 0.0)

    def rollout(self, actions: Tensor) -> Tensor:
        """Return the states that `actions` lead to, "batch sample horizon *latent"; asks a `LiftedCost`.

        Counts as one evaluation a sequence.
        """
        cost = self._lifted()
        self.num_evaluations += actions.shape[1]
        with torch.no_grad():
            return torch.cat([self._wide(cost.rollout(part)) for part in self._parts(actions)], dim=1)

    def guess_states(self, actions: Tensor) -> Tensor:
        """Return virtual states to begin with, "batch sample horizon-1 *latent"; asks a `LiftedCost`."""
        cost = self._lifted()
        with torch.no_grad():
            return torch.cat([self._wide(cost.guess_states(part)) for part in self._parts(actions)], dim=1)

    def relax(self, actions: Tensor, states: Tensor, goal_weight: float) -> tuple[Tensor, Tensor]:
        """Return every step's prediction from virtual states, and the gradient of GRASP's loss for `actions`.

        The loss is sum_{t<H} |p_t - s_t|^2 + D(p_H) + goal_weight sum_t D(p_t), with predictions p, virtual
        states s (held fixed) and the cost's distance to the goal D. Counts as one evaluation a sequence. The
        true cost is not asked. Non-finite gradients are zero.
        """
        cost, predictions, gradients = self._lifted(), [], []
        self.num_evaluations += actions.shape[1]
        shown = self._parts(actions.detach())
        size = shown[0].shape[1]
        for part, virtual in zip(shown, states.detach().split(size, dim=1), strict=True):
            with torch.enable_grad():
                leaf = part.detach().requires_grad_(True)
                predicted = cost.transition(virtual.to(self._problem.dtype), leaf)
                if not predicted.requires_grad:
                    raise ShapeError(
                        "GRASPPlanner needs predictions that are differentiable in the actions",
                        "those of the cost's `transition` carry no gradient",
                        "Predict with torch operations outside no_grad, or use CEMPlanner",
                    )
                distances = cost.goal_distance(predicted)
                gap = (self._wide(predicted[:, :, :-1]) - virtual).square().sum()
                loss = gap + distances[:, :, -1].sum() + goal_weight * distances.sum()
                (gradient,) = torch.autograd.grad(loss, leaf)
            predictions.append(self._wide(predicted.detach()))
            gradients.append(self._wide(gradient))
        gradient = torch.cat(gradients, dim=1)
        return torch.cat(predictions, dim=1), torch.where(gradient.isfinite(), gradient, 0.0)

    def _lifted(self) -> LiftedCost:
        if not isinstance(self._cost, LiftedCost):
            raise ConfigError(
                "A planner with virtual states needs a cost that shows its dynamics, a LiftedCost",
                f"the cost is {describe(self._cost)}",
                "Pass a GoalCost, make your own cost a subclass of LiftedCost, or use GradientPlanner",
            )
        return self._cost

    def _parts(self, actions: Tensor) -> tuple[Tensor, ...]:
        return self._show(actions).split(self._chunk or max(1, actions.shape[1]), dim=1)

    def _wide(self, values: Tensor) -> Tensor:
        return values.to(self._problem.init.dtype)

    def _show(self, actions: Tensor) -> Tensor:
        like = self._best_actions
        if (
            actions.ndim != 4
            or (len(actions), *actions.shape[2:]) != like.shape
            or actions.device != like.device
        ):
            rows, horizon, size = like.shape
            raise ShapeError(
                f"A planner must show candidates (batch={rows}, sample, horizon={horizon}, action={size}) on "
                f"{like.device}, where the search began",
                f"it showed {describe(actions)} on {actions.device}",
                "Keep the axes of `problem.init`, with one for the samples after the first",
            )
        shown = self._problem.project(actions)
        return shown if shown.dtype is self._problem.dtype else shown.to(self._problem.dtype)

    def _checked(self, actions: Tensor, costs: object) -> Tensor:
        expected = tuple(actions.shape[:2])
        if not isinstance(costs, Tensor) or costs.shape != expected or not costs.is_floating_point():
            rule = f"A cost must return a floating-point tensor (batch, sample) = {expected}"
            raise ShapeError(
                f"{rule} for actions of shape {tuple(actions.shape)}",
                f"it returned {describe(costs)}",
                "Give one number a candidate: sum or average over horizon, action and embedding axes",
            )
        if costs.device != actions.device:
            raise ShapeError(
                "A cost must answer on the device of its candidates",
                f"actions are on {actions.device} and the costs that came back on {costs.device}",
                "Give the cost attributes `device` and `dtype`, or pass `init` on the model's device",
            )
        return costs

    def _record(self, shown: Tensor, costs: Tensor) -> Evaluated:
        if shown.dtype is not self._dtype:
            shown = shown.to(self._dtype)
        if costs.dtype is not self._dtype:
            costs = costs.to(self._dtype)
        all_finite = self._on_cpu and math.isfinite(costs.sum().item())  # one that is not spoils the sum
        # A copy: a cost may write its next answer into the same memory.
        costs = costs.nan_to_num(nan=math.inf, posinf=math.inf, neginf=math.inf)
        if costs.shape[1]:
            self._keep_best(shown, costs)
        self.costs.append(costs)
        self.num_evaluations += shown.shape[1]
        return Evaluated(shown, costs, all_finite)

    def _keep_best(self, shown: Tensor, costs: Tensor) -> None:
        lowest, first = costs.min(dim=1)
        better = lowest < self._best_cost
        found = shown[torch.arange(len(first), dtype=torch.int64, device=first.device), first]
        self._best_actions = torch.where(better[:, None, None], found, self._best_actions)
        self._best_cost = torch.where(better, lowest, self._best_cost)
