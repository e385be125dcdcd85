"""Random shooting, also known as predictive sampling: try perturbations, keep the best."""

from typing import final

import torch

from .._checks import check_number, plain_numbers
from ._evaluator import Evaluator
from ._planner import Planner
from ._problem import Problem
from ._search_state import SearchState
from ._settings import check_counts


@final
@plain_numbers
class RandomShootingPlanner(Planner[None]):
    """Random shooting (predictive sampling): perturb the best sequence so far, keep the best of all.

    The simplest planner that works. Reach for it as a baseline, or for real-time control where one iteration
    around a warm start is all there is time for.

        a_0 = b,   a_i = b + s e_i,   b <- the cheapest of all so far,   s <- decay s

    Args:
        horizon: Planned steps.
        num_samples: Candidates an iteration, the best so far among them.
        num_iterations: Rounds; 1 in predictive sampling.
        init_std: Standard deviation of the perturbation, in units of the actions.
        decay: Factor on it after each iteration.

    Randomness:
        Noise is a function of (row seed, iteration, index); see `plan`.

    Source:
        Howell, Gileadi, Tunyasuvunakool, Zakka, Erez, Tassa, "Predictive sampling: real-time behaviour
        synthesis with MuJoCo", 2022, Algorithm 1, on the actions themselves instead of spline knots. There N
        is `num_samples` and sigma `init_std`; the nominal parameters theta are b. Differences: several
        iterations with decaying noise are possible.

    Example:
        ```python
        from leworld.planners import RandomShootingPlanner

        planner = RandomShootingPlanner(horizon=3, num_samples=200, num_iterations=20, decay=0.8)
        found = planner.plan(lambda actions: (actions - 0.5).square().sum((2, 3)), batch=2, action_dim=1)
        assert (found.cost < 0.01).all()
        ```
    """

    def __init__(
        self,
        horizon: int = 5,
        num_samples: int = 300,
        *,
        num_iterations: int = 1,
        init_std: float = 1.0,
        decay: float = 1.0,
    ) -> None:
        counts = {"num_samples": num_samples, "num_iterations": num_iterations}
        check_counts("RandomShootingPlanner", horizon=horizon, **counts)
        check_number("RandomShootingPlanner", "init_std", init_std, low=0, open_low=True)
        check_number("RandomShootingPlanner", "decay", decay, low=0, high=1, open_low=True)
        self.horizon = horizon
        self.num_samples = num_samples
        self.num_iterations = num_iterations
        self.init_std = init_std
        self.decay = decay

    def init(self, problem: Problem) -> SearchState[None]:
        """Start at the problem's first guess."""
        rows = len(problem.init)
        never = torch.zeros(rows, dtype=torch.bool, device=problem.init.device)
        return SearchState(problem.init, self.init_std, never, None)

    def step(
        self, problem: Problem, state: SearchState[None], evaluate: Evaluator, iteration: int
    ) -> SearchState[None]:
        """Perturb the best so far."""
        std = self.init_std * self.decay**iteration
        evaluate(problem.sample(state.actions, std, self.num_samples, iteration=iteration))
        return SearchState(evaluate.best_actions, std * self.decay, state.converged, None)
