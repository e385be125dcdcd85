"""The only place where candidates meet the cost: bounds, chunks, shape checks, NaN, and the best so far."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import describe, plain_numbers
from ..errors import ConfigError, ShapeError
from ._best import Best
from ._constraints import Constraint, Requirement
from ._lifted_cost import LiftedCost
from ._problem import Problem
from ._short import listing

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
        limits: Of each constraint that the search has to obey, in the order of `Evaluator.require`, the
            values (batch, sample, constraint), NaN as infinity.
    """

    actions: Float[Tensor, "batch sample horizon action"]
    costs: Float[Tensor, "batch sample"]
    all_finite: bool = False
    limits: tuple[Float[Tensor, "batch sample constraint"], ...] = ()

    def __repr__(self) -> str:
        return listing(self, actions=self.actions, costs=self.costs, limits=len(self.limits))

    def order(self) -> Tensor:
        """Return the sample indices from the lowest cost to the highest; ties keep the samples' order."""
        return self.costs.argsort(dim=1, stable=True)


@final
@plain_numbers
class Evaluator:
    """Shows candidates to the cost and remembers, for every row, the best of them.

    `plan` makes one for each search and hands it to the planner's `step`. Because a planner has no other way
    to the cost, these things hold for every planner: the cost sees only sequences inside the bounds, a NaN or
    infinite cost never wins, the best sequence is never lost, and a cost that edits or keeps what it is
    shown, or that answers into the same memory again, changes nothing: it gets a copy, and its answer is
    copied. A sequence that is itself not finite counts as one of infinite cost.

    Costs keep their precision: float64 costs are compared and remembered in float64, whatever the dtype of
    the actions; all others in the dtype of the search.

    Args:
        cost: `cost(actions)` -> "batch sample", lower is better.
        problem: Bounds and dtype.
        max_candidates: Most sequences, over all rows, in one call of `cost`; None for no limit.
        deadline: Reading of `time.perf_counter()` that ends the search, or None; see `time_is_up`.

    Attributes:
        costs: All costs so far, one tensor (batch, sample) a call, infinite where they were not finite.
        num_evaluations: Sequences shown to the cost so far, for every row.
        stuck: Whether the last gradient of some candidate of the row was not finite though its cost was.

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
        self._parent: Evaluator | None = None
        self._required: list[Requirement] = []
        self._edited = False  # whether the cost edits what it is shown while gradients are recorded
        self._best = Best(problem)
        self._dtype, self._on_cpu = problem.init.dtype, problem.init.device.type == "cpu"
        self.deadline = deadline
        self.costs: list[Tensor] = []
        self.num_evaluations = 0
        self.stuck = torch.zeros_like(self._best.obeys)

    @property
    def best_actions(self) -> Tensor:
        """The best sequence of every row so far, at first the problem's first guess.

        Under constraints that is the cheapest that obeys, or while none did, the one that breaks them least.
        """
        return self._best.actions.clone()

    @property
    def best_cost(self) -> Tensor:
        """The cost of `best_actions`, at first infinite."""
        return self._best.cost.clone()

    @property
    def best_obeys(self) -> Tensor:
        """Whether `best_actions` obeys every constraint, (batch); true where there are none."""
        return self._best.obeys.clone()

    @plain_numbers
    def require(self, constraint: Constraint, tolerance: float) -> int:
        """Let the best sequence be one that obeys `constraint`, and return its place in `Evaluated.limits`.

        Requiring the same constraint again changes nothing. A search inside another one requires it there
        too.

        Args:
            constraint: (batch, sample, horizon, action) -> (batch, sample, constraint), at most 0 where all
                is well; NaN counts as violated.
            tolerance: Largest value that still counts as holding.
        """
        for place, known in enumerate(self._required):
            if known.constraint is constraint and known.tolerance == tolerance:
                return place
        self._required.append(Requirement(constraint, tolerance))
        if self.costs:
            obeys, violation = self._judged(self.limits(self.best_actions.unsqueeze(1)))
            self._best.judge(obeys[:, 0], violation[:, 0])
        else:
            self._best.obeys = self._best.cost < math.inf
        if self._parent is not None:
            self._parent.require(constraint, tolerance)
        return len(self._required) - 1

    def obeys(self, actions: Tensor) -> Tensor:
        """Return whether each of `actions` ("batch sample horizon action") obeys every constraint."""
        if not self._required:
            return torch.ones(actions.shape[:2], dtype=torch.bool, device=actions.device)
        return self._judged(self.limits(actions))[0]

    def limits(self, actions: Tensor) -> tuple[Tensor, ...]:
        """Return what every required constraint says of `actions`; see `Evaluated.limits`."""
        parts = self._parts(actions)
        with torch.no_grad():
            return tuple(
                torch.cat([required.limits(part, self._problem.init) for part in parts], dim=1)
                for required in self._required
            )

    def within(self, cost: CostFunction, problem: Problem) -> "Evaluator":
        """Return an evaluator for a search inside this one, on a cost that asks this one.

        It has the same deadline, and constraints that are required of it are required here as well.
        """
        inner = Evaluator(cost, problem, deadline=self.deadline)
        inner._parent = self
        return inner

    def time_is_up(self) -> bool:
        """Say whether the deadline has passed. A step of several evaluations asks between them.

        If so, the step returns what it has; `plan` then returns the best sequence so far.
        """
        if self.deadline is None:
            return False
        if not self._on_cpu:
            self._best.cost.sum().item()  # wait for queued work, or the clock would measure launches only
        return time.perf_counter() >= self.deadline

    def __call__(self, actions: Tensor) -> Evaluated:
        """Clip `actions` ("batch sample horizon action") to the bounds and return their costs."""
        if torch.is_grad_enabled():
            with torch.no_grad():
                return self(actions)
        shown = self._show(actions)
        if self._chunk is None or shown.shape[1] <= self._chunk:
            return self._record(shown, self._checked(shown, self._cost(shown.clone())))
        parts = shown.split(self._chunk, dim=1)
        costs = [self._checked(part, self._cost(part.clone())).clone() for part in parts]
        return self._record(shown, torch.cat(costs, dim=1))

    def gradient(self, actions: Tensor) -> tuple[Evaluated, Tensor]:
        """Return the costs and their gradient with respect to `actions`; nothing else receives a gradient.

        Rows and samples are differentiated together and do not mix. Where a cost is not finite, or the
        gradient itself is not, the gradient is zero. Works under `torch.no_grad` and, if the cost holds
        nothing that was made there, under `torch.inference_mode`.
        """
        shown = self._show(actions.detach())
        size = self._chunk or max(1, shown.shape[1])
        costs, gradients = [], []
        for part in shown.split(size, dim=1):
            with _differentiable():
                leaf, answer = self._recorded(self._cost, part)
                cost = self._checked(part, answer)
                gradients.append(_slope(cost, leaf, "the returned costs carry").to(self._dtype))
                costs.append(cost.detach().clone())
        with torch.no_grad():
            evaluated = self._record(shown, torch.cat(costs, dim=1))
            gradient = torch.cat(gradients, dim=1)
            finite, slopes = evaluated.costs.isfinite(), gradient.isfinite()
            self.stuck = (finite & ~slopes.flatten(2).all(2)).any(1)
            usable = finite[:, :, None, None] & slopes
            return evaluated, torch.where(usable, gradient, 0.0)

    def rollout(self, actions: Tensor) -> Tensor:
        """Return the states that `actions` lead to, "batch sample horizon *latent"; asks a `LiftedCost`.

        Counts as one evaluation a sequence.
        """
        cost = self._lifted()
        self.num_evaluations += actions.shape[1]
        with torch.no_grad():
            return torch.cat([self._kept(cost.rollout(part.clone())) for part in self._parts(actions)], dim=1)

    def guess_states(self, actions: Tensor) -> Tensor:
        """Return virtual states to begin with, "batch sample horizon-1 *latent"; asks a `LiftedCost`."""
        cost = self._lifted()
        with torch.no_grad():
            states = [self._kept(cost.guess_states(part.clone())) for part in self._parts(actions)]
            return torch.cat(states, dim=1)

    @plain_numbers
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
            with _differentiable():
                supposed = virtual.to(self._problem.dtype)
                leaf, predicted = self._recorded(lambda a, s=supposed: cost.transition(s.clone(), a), part)
                distances = cost.goal_distance(predicted.clone())
                gap = (predicted[:, :, :-1].to(self._dtype) - virtual).square().sum()
                loss = gap + distances[:, :, -1].sum() + goal_weight * distances.sum()
                gradients.append(self._kept(_slope(loss, leaf, "what `transition` predicts carries")))
                predictions.append(self._kept(predicted.detach()))
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

    def _recorded(self, function: CostFunction, part: Tensor) -> tuple[Tensor, Tensor]:
        """Return a copy of the candidates that gradients lead to, and what `function` says of it."""
        if not self._edited:
            try:
                leaf = part.detach().clone().requires_grad_(True)
                return leaf, function(leaf)
            except RuntimeError as error:
                if "leaf Variable" not in str(error):
                    raise
                self._edited = True  # torch lets nobody write to a leaf; to a copy of it they may
        leaf = part.detach().clone().requires_grad_(True)
        return leaf, function(leaf.clone())

    def _kept(self, values: Tensor) -> Tensor:
        return values.to(self._dtype, copy=True)

    def _judged(self, limits: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Return whether all constraints hold, and the largest value of any, both (batch, sample)."""
        judged = [required.judge(values) for required, values in zip(self._required, limits, strict=True)]
        obeys, violation = judged[0]
        for also, more in judged[1:]:
            obeys, violation = obeys & also, torch.maximum(violation, more)
        return obeys, violation

    def _show(self, actions: Tensor) -> Tensor:
        like = self._problem.init
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
        if costs.dtype is not self._dtype and costs.dtype is not torch.float64:
            costs = costs.to(self._dtype)
        if not self._on_cpu or not math.isfinite(shown.sum().item()):  # one that is not spoils the sum
            costs = torch.where(shown.isfinite().flatten(2).all(2), costs, math.inf)
        all_finite = self._on_cpu and math.isfinite(costs.sum().item())
        # A copy: a cost may write its next answer into the same memory.
        costs = costs.nan_to_num(nan=math.inf, posinf=math.inf, neginf=math.inf)
        limits = self.limits(shown) if self._required else ()
        if costs.shape[1] and limits:
            self._best.offer_judged(shown, costs, *self._judged(limits))
        elif costs.shape[1]:
            self._best.offer(shown, costs)
        self.costs.append(costs.clone())  # the planner may write to its own
        self.num_evaluations += shown.shape[1]
        return Evaluated(shown, costs, all_finite, limits)


@contextmanager
def _differentiable() -> Iterator[None]:
    """Record gradients, whatever the caller's mode, and say what cannot be differentiated through."""
    try:
        with torch.inference_mode(False), torch.enable_grad():
            yield
    except RuntimeError as error:
        if "nference tensor" not in str(error):
            raise
        raise ConfigError(
            "A gradient planner needs a cost that holds no tensor made under `torch.inference_mode`",
            f"torch says: {error}",
            "Make what the cost holds (model, goal, buffers) under `torch.no_grad` or outside "
            "`torch.inference_mode`, or give it a `.clone()` made there; planning itself may be inside",
        ) from error


def _slope(value: Tensor, leaf: Tensor, what: str) -> Tensor:
    """Return the gradient of the sum of `value`, or say that there is none."""
    slope = None
    if value.requires_grad:
        with torch.autocast(leaf.device.type, enabled=False):  # which is for what is computed forward
            (slope,) = torch.autograd.grad(value.sum(), leaf, allow_unused=True)
    if slope is None:
        raise ShapeError(
            "A gradient planner needs a cost that is differentiable in the actions",
            f"{what} no gradient",
            "Compute the cost with torch operations outside `no_grad` and `inference_mode`, or use "
            "CEMPlanner",
        )
    return slope
