"""Gradient descent through the cost, from several starts."""

from collections.abc import Callable
from functools import partial
from typing import final

import torch
from torch import Tensor
from torch.optim import Adam, Optimizer

from .._checks import check_number, plain_numbers
from .._counter import fixed_sum
from ..errors import ConfigError
from ._evaluator import Evaluator
from ._planner import Planner
from ._problem import Problem
from ._search_state import SearchState
from ._settings import check_counts

Memory = tuple[Tensor, Optimizer]


@final
@plain_numbers
class GradientPlanner(Planner[Memory]):
    r"""Descends the cost's gradient with any torch optimizer, from several starts at once.

    Reach for it when the cost is smooth in the actions and their number is large: the cost of one iteration
    grows with `num_restarts`, not with horizon x action components. World models often have rough costs;
    `Refine(CEMPlanner(...), GradientPlanner(...))` takes the basin from one and the accuracy from the other.

        a_0 = first guess,   a_r = first guess + init_std e_r,   r = 1 .. num_restarts - 1
        a_r <- project(optimizer step with d cost / d a_r)

    Args:
        horizon: Planned steps.
        num_restarts: Starts, the first guess among them.
        num_iterations: Optimizer steps.
        optimizer: Builds the optimizer from a list of one tensor; Adam with a learning rate of 0.1 by
            default. One that treats entries alone (SGD, Adam, RMSprop, ...) keeps rows independent; one that
            does not (LBFGS) would mix them and also needs a closure, so it is refused.
        init_std: Spread of the starts, in units of the actions.
        tolerance: A row counts as converged when its last step moved no entry further than this, and no
            gradient kept one from moving by not being finite.

    Numerics:
        The gradient reaches the actions only: model parameters neither receive nor accumulate one. Entries
        with a non-finite gradient, and candidates with a non-finite cost, do not move. After each step the
        actions are clipped to the bounds. The step depends on the cost's scale as the optimizer's does.

    Randomness:
        Starts are a function of (row seed, index); see `plan`.

    Source:
        Gradient-based planning as in Srinivas et al., "Universal planning networks", 2018, and the SGD and
        Adam planners of DINO-WM (Zhou et al., 2024), with restarts. Their step size is the optimizer's `lr`,
        their number of planning updates `num_iterations`; DINO-WM has one start and adds noise to the
        actions after each step, which `optimizer` leaves out here.

    Example:
        ```python
        import torch
        from leworld.planners import GradientPlanner

        found = GradientPlanner(horizon=50, num_restarts=2).plan(
            lambda actions: (actions - 0.5).square().sum((2, 3)), batch=1, action_dim=4
        )
        assert (found.actions - 0.5).abs().max() < 0.01
        ```
    """

    def __init__(
        self,
        horizon: int = 5,
        num_restarts: int = 8,
        *,
        num_iterations: int = 100,
        optimizer: Callable[[list[Tensor]], Optimizer] | None = None,
        init_std: float = 1.0,
        tolerance: float = 1e-3,
    ) -> None:
        counts = {"num_restarts": num_restarts, "num_iterations": num_iterations}
        check_counts("GradientPlanner", horizon=horizon, **counts)
        check_number("GradientPlanner", "init_std", init_std, low=0)
        check_number("GradientPlanner", "tolerance", tolerance, low=0)
        self.horizon = horizon
        self.num_restarts = num_restarts
        self.num_iterations = num_iterations
        self.optimizer = optimizer or partial(Adam, lr=0.1)
        self.init_std = init_std
        self.tolerance = tolerance
        self._build_optimizer(torch.zeros(1, dtype=torch.float32, device="cpu"))

    def init(self, problem: Problem) -> SearchState[Memory]:
        """Spread the starts around the problem's first guess and build the optimizer."""
        starts = problem.sample(problem.init, self.init_std, self.num_restarts, iteration=0)
        starts = problem.project(starts)
        never = torch.zeros(len(starts), dtype=torch.bool, device=starts.device)
        return SearchState(problem.init, spread(starts), never, (starts, self._build_optimizer(starts)))

    def step(
        self, problem: Problem, state: SearchState[Memory], evaluate: Evaluator, iteration: int
    ) -> SearchState[Memory]:
        """Take one optimizer step from every start."""
        actions, optimizer = state.memory
        before = actions.clone()
        scored, actions.grad = evaluate.gradient(actions)
        optimizer.step()
        actions.copy_(problem.project(torch.where(actions.isfinite(), actions, before)))
        moved = (actions - before).abs().flatten(1).amax(1)
        converged = (moved <= self.tolerance) & ~evaluate.stuck
        rows = torch.arange(len(actions), dtype=torch.int64, device=actions.device)
        answer = actions[rows, scored.costs.argmin(1)]
        return SearchState(answer, spread(actions), converged, (actions, optimizer))

    def _build_optimizer(self, actions: Tensor) -> Optimizer:
        optimizer = self.optimizer([actions])
        if not isinstance(optimizer, Optimizer) or isinstance(optimizer, torch.optim.LBFGS):
            raise ConfigError(
                "GradientPlanner needs `optimizer` to build a torch optimizer that steps without a closure",
                f"it built a {type(optimizer).__name__}",
                "Pass for example functools.partial(torch.optim.Adam, lr=0.1)",
            )
        return optimizer


def spread(actions: Tensor) -> Tensor:
    """Return how far a row's samples lie from their mean, root mean square."""
    mean = fixed_sum(actions, 1) / actions.shape[1]
    squares = (actions - mean.unsqueeze(1)).square().flatten(1)
    return (fixed_sum(squares, 1) / squares.shape[1]).sqrt()
