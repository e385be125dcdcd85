"""CMA-ES, run by the `cmaes` package, one optimizer a row."""

from types import ModuleType
from typing import Any, Literal, final

import numpy as np
import torch

from .._checks import check_choice, check_number, plain_numbers, require
from .._counter import fixed_sum, words
from ._evaluator import Evaluator
from ._planner import Planner
from ._problem import Problem
from ._search_state import SearchState
from ._settings import check_counts

Memory = tuple[Any, ...]  # one cmaes.CMA or cmaes.SepCMA a row


@final
@plain_numbers
class CMAESPlanner(Planner[Memory]):
    r"""Covariance matrix adaptation (CMA-ES): a Gaussian that learns its own shape and size.

    Reach for it when components must move together or weigh very differently (an ill-conditioned cost), and
    when a good `init_std` is not known, since the step size adapts. Up to some hundred numbers a plan; with
    more, `covariance="diagonal"` learns a scale each and no directions. It is run by the `cmaes` package
    (`pip install "leworld[cmaes]"`), which works in numpy, one candidate at a time: rows are handled in turn
    on the CPU, so prefer `CEMPlanner` for many rows, or where the cost is cheaper than the search.

        a_i = m + s y_i,   y_i ~ N(0, C),   i = 1 .. num_samples
        f_i = cost(clip(a_i)) + q |a_i - clip(a_i)|^2 / v
        m, s, C <- the updates of the paper, from the a_i in the order of the f_i

    with q the interquartile range of the round's costs and v the mean of |a_i - mean a|^2. So the cost sees
    sequences inside the bounds only, and the Gaussian is drawn back toward them on the cost's own scale.

    Args:
        horizon: Planned steps.
        num_samples: Candidates an iteration, at least 4. The paper's own choice, 4 + 3 ln(numbers in a plan),
            spends fewer evaluations; more are better in rough costs and use a batched cost better.
        num_iterations: Rounds.
        init_std: First step size, in units of the actions.
        covariance: "full", or "diagonal" for Ros and Hansen's separable variant.
        tolerance: A row counts as converged when the spread of its candidates falls below this.

    Raises:
        MissingExtraError: If the package `cmaes` is not installed.
        ConfigError: If a setting is out of range.

    Numerics:
        The search is in float64 whatever the dtype of the cost. Only the order of the costs matters. NaN and
        infinite costs rank last; in a round without any finite cost a row stays as it is. With full
        covariance an iteration takes time and memory that grow with the square of the numbers in a plan for
        each candidate.

    Randomness:
        Each row's optimizer is seeded with 32 bits drawn from the row's seed; see `plan`.

    Source:
        Hansen, "The CMA evolution strategy: a tutorial", 2016 (arXiv 1604.00772), Figure 6, as the `cmaes`
        package (Nomura and Shibata, arXiv 2402.01373) implements it. There lambda is `num_samples` and the
        first sigma `init_std`; mu, the weights and all rates are the paper's. "diagonal" is Ros and Hansen,
        "A simple modification in CMA-ES achieving linear time and space complexity", 2008. Differences: the
        penalty outside the bounds is ours (the tutorial's section B.5 describes its kind): one weight for all
        components, from the round's own costs; the plan is the best sequence seen.

    Example:
        ```python
        import torch
        from leworld.planners import CMAESPlanner

        weights = torch.tensor([1.0, 100.0, 10_000.0])
        found = CMAESPlanner(horizon=3, num_samples=20, num_iterations=60).plan(
            lambda actions: (weights * (actions[..., 0] - 0.5).square()).sum(2), batch=1, action_dim=1
        )
        assert (found.actions - 0.5).abs().max() < 0.01
        ```
    """

    def __init__(
        self,
        horizon: int = 5,
        num_samples: int = 60,
        *,
        num_iterations: int = 150,
        init_std: float = 1.0,
        covariance: Literal["full", "diagonal"] = "full",
        tolerance: float = 1e-3,
    ) -> None:
        check_counts("CMAESPlanner", horizon=horizon, num_iterations=num_iterations)
        check_number("CMAESPlanner", "num_samples", num_samples, low=4, integer=True)
        check_number("CMAESPlanner", "init_std", init_std, low=0, open_low=True)
        check_choice("CMAESPlanner", "covariance", covariance, ("full", "diagonal"))
        check_number("CMAESPlanner", "tolerance", tolerance, low=0)
        _package()
        self.horizon = horizon
        self.num_samples = num_samples
        self.num_iterations = num_iterations
        self.init_std = init_std
        self.covariance = covariance
        self.tolerance = tolerance

    def init(self, problem: Problem) -> SearchState[Memory]:
        """Build one optimizer a row at the problem's first guess."""
        starts = problem.init.flatten(1).cpu().double().numpy()
        seeds = words(problem.seeds, 1, iteration=0)[:, 0].tolist()
        one_number = starts.shape[1] == 1  # both kinds are the same then, and SepCMA refuses it
        package = _package()
        kind = package.CMA if self.covariance == "full" or one_number else package.SepCMA
        optimizers = tuple(
            kind(mean=start, sigma=self.init_std, seed=seed, population_size=self.num_samples)
            for start, seed in zip(starts, seeds, strict=True)
        )
        stds = problem.init.new_full((len(starts),), self.init_std)
        return SearchState(problem.init, stds, stds < 0, optimizers)

    def step(
        self, problem: Problem, state: SearchState[Memory], evaluate: Evaluator, iteration: int
    ) -> SearchState[Memory]:
        """Ask every row's optimizer for candidates, score all together, tell each its own."""
        optimizers = state.memory
        asked = np.stack([[optimizer.ask() for _ in range(self.num_samples)] for optimizer in optimizers])
        drawn = torch.from_numpy(asked).to(problem.init).unflatten(2, problem.init.shape[1:])
        drawn = problem.with_guesses(drawn) if iteration == 0 else drawn
        costs = evaluate(drawn).costs.cpu().double().numpy()
        points, inside = (
            actions.flatten(2).cpu().double().numpy() for actions in (drawn, problem.project(drawn))
        )
        for optimizer, row, clipped, values in zip(optimizers, points, inside, costs, strict=True):
            if np.isfinite(values).any():
                judged = _penalised(row, clipped, values)
                optimizer.tell(list(zip(row, judged.tolist(), strict=True)))
        means = np.stack([optimizer.mean for optimizer in optimizers])
        answer = torch.from_numpy(means).to(problem.init).view_as(problem.init)
        deviations = (drawn.flatten(2) - state.actions.flatten(1).unsqueeze(1)).square()
        steps = (fixed_sum(fixed_sum(deviations, 2), 1) / deviations[0].numel()).sqrt()
        return SearchState(answer, steps, steps <= self.tolerance, optimizers)


def _package() -> ModuleType:
    """Import `cmaes`. A planner does not keep it: modules can be neither copied nor pickled."""
    return require("cmaes", extra="cmaes", purpose="CMAESPlanner")


def _penalised(points: np.ndarray, clipped: np.ndarray, costs: np.ndarray) -> np.ndarray:
    """Add to each cost what its point pays for lying outside the bounds."""
    finite = costs[np.isfinite(costs)]
    if np.abs(finite).max() > 1e300:  # a power of two keeps the order and makes differences finite
        return _penalised(points, clipped, costs * 2.0**-40)
    low, high = np.quantile(finite, (0.25, 0.75))
    outside = np.square(points - clipped).sum(1)
    spread = np.square(points - points.mean(0)).sum(1).mean()
    return costs + (high - low) * outside / max(spread, np.finfo(np.float64).tiny)
