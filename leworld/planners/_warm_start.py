"""A planner that begins from a proposal."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, final

from torch import Tensor

from .._checks import check_finite, describe
from .._lending import own_copy
from ..errors import ConfigError, ShapeError
from ._evaluator import Evaluator
from ._planner import Planner
from ._problem import Problem
from ._search_state import SearchState
from ._wrappers import PlannerAround


@final
class WarmStart(PlannerAround):
    """Starts a planner from a proposal, such as a former plan or the output of a small policy network.

    The proposal is scored before the first iteration, so the plan is never worse than the proposal (with
    `keep_best`). For a plain tensor, `plan(..., init=...)` does the same; this wrapper is for proposals that
    are computed when planning begins, also inside a policy.

    Args:
        planner: Searches from the proposal.
        propose: Called with the first guess (batch, horizon, action) that `plan` would start from; returns a
            proposal of that shape. It is clipped to the bounds. Both are copies: `propose` may edit the guess
            and answer into the same memory again.

    Raises:
        ShapeError: If the proposal has another shape or is not floating-point.
        NonFiniteError: If it holds NaN or infinity.

    Example:
        ```python
        import torch
        from leworld.planners import CEMPlanner, WarmStart

        planner = WarmStart(CEMPlanner(horizon=3, num_samples=50, num_elites=5), lambda init: init + 20.0)
        found = planner.plan(lambda actions: (actions - 20.0).square().sum((2, 3)), batch=1, action_dim=1)
        assert torch.equal(found.actions, torch.full((1, 3, 1), 20.0))
        ```
    """

    def __init__(self, planner: Planner[Any], propose: Callable[[Tensor], Tensor]) -> None:
        super().__init__(planner)
        if not callable(propose):
            raise ConfigError(
                "WarmStart needs `propose` to be a function of the first guess",
                f"`propose` is {describe(propose)}",
                "Pass `lambda init: proposal`, or give the tensor to `plan(..., init=proposal)`",
            )
        self.propose = propose

    def init(self, problem: Problem) -> SearchState[Any]:
        """Ask for the proposal and start there."""
        proposal = self.propose(problem.init.clone())
        if not isinstance(proposal, Tensor) or proposal.shape != problem.init.shape:
            raise ShapeError(
                f"WarmStart needs a proposal of shape {tuple(problem.init.shape)}",
                f"`propose` returned {describe(proposal)}",
                "Return one action sequence a row, with the planner's horizon",
            )
        check_finite("WarmStart", "proposal", proposal)
        guess = problem.project(own_copy(proposal).to(problem.init))
        state = self.planner.init(replace(problem, init=guess))
        return replace(state, memory=(guess, state.memory))

    def step(
        self, problem: Problem, state: SearchState[Any], evaluate: Evaluator, iteration: int
    ) -> SearchState[Any]:
        """Score the proposal once, then ask the wrapped planner."""
        guess, memory = state.memory
        if iteration == 0:
            evaluate(guess.unsqueeze(1))
            if evaluate.time_is_up():
                return state
        inner = self.planner.step(
            replace(problem, init=guess), replace(state, memory=memory), evaluate, iteration
        )
        return replace(inner, memory=(guess, inner.memory))
