"""Model predictive path integral control: an exponentially weighted mean of samples."""

import math
from typing import Literal, final

import torch
from torch import Tensor

from .._checks import check_choice, check_number, plain_numbers
from .._counter import fixed_sum, weighted_sum
from ._evaluator import Evaluated, Evaluator
from ._planner import Planner
from ._problem import Problem
from ._search_state import SearchState
from ._settings import check_counts

_DRAW = 1  # the stream of the numbers that choose a plan by weight


@final
@plain_numbers
class MPPIPlanner(Planner[Tensor | float]):
    r"""Model predictive path integral control (MPPI): average the candidates, the cheap ones counting most.

    Reach for it when smooth, averaged plans are wanted, or when a good warm start makes few iterations
    enough. All samples contribute, so it uses them better than CEM late in a search and worse early on.

        a_0 = m,   a_i = m + s e_i,   w_i = exp(-(c_i - min c) / T),   m <- sum w_i a_i / sum w_i,   s <-
        decay s

    with T = temperature * (standard deviation of this iteration's costs), or T = temperature if fixed. The
    relative form makes the plan independent of the cost's scale; distances in latent spaces have none that
    one could know. The temperature always divides the cost: lower is greedier.

    The plan is the final mean, which is this method's answer; wrap it in `BestSoFar` for the best sequence
    seen.

    TD-MPC2's planner is a form of it, in which proposals of a policy stay among the candidates throughout:

        KeepGuesses(MPPIPlanner(3, 512, num_iterations=6, temperature=2.0, scale="fixed", init_std=2.0,
                                num_elites=64, min_std=0.05, returns="draw"))

    with actions in -1 to 1, a `leworld.costs.ReturnCost`, and 24 sequences of the policy as guesses. Its
    temperature of 0.5 multiplies the return, hence 2 here.

    Args:
        horizon: Planned steps.
        num_samples: Candidates an iteration, the mean among them.
        num_iterations: Rounds.
        temperature: T or its ratio to the spread of costs. Lower is greedier.
        scale: "relative" or "fixed" temperature.
        init_std: Standard deviation of the noise in the first iteration, in units of the actions.
        decay: Factor on the standard deviation after each iteration; 1 for the constant noise of the paper.
            Not used with `min_std`.
        num_elites: How many of the cheapest candidates are averaged; None for all.
        min_std: If set, the standard deviation of every number of the plan is fitted anew in each iteration
            to the weighted candidates, and kept from min_std to init_std.
        returns: "mean", or "draw" for one of the averaged candidates, drawn by weight; `Plan.elites` then
            holds the mean, from which the next search may begin.

    Numerics:
        Weights come from differences to the lowest cost, in the dtype of the costs (float64 for float64
        costs), so they cannot overflow; NaN and infinite costs weigh 0. With a relative temperature costs of
        any finite size, and any size of their differences that the dtype tells apart, give the same weights.

    Randomness:
        Noise is a function of (row seed, iteration, index); see `plan`.

    Source:
        Williams, Wagener, Goldfain, Drews, Rehg, Boots, Theodorou, "Information theoretic MPC for model-based
        reinforcement learning", ICRA 2017, Algorithm 2. There lambda is the (fixed) temperature, Sigma is
        s^2 I, K is `num_samples`. Differences: the control-cost term of the importance weights is left out,
        as an action penalty belongs into the cost; several iterations with decaying noise; a relative
        temperature. Elites, fitted deviations and the drawn plan are those of Hansen, Su and Wang, TD-MPC2,
        2024 (arXiv 2310.16828).

    Example:
        ```python
        import torch
        from leworld.planners import MPPIPlanner

        found = MPPIPlanner(horizon=3).plan(
            lambda actions: 1e6 * (actions - 0.5).square().sum((2, 3)), batch=1, action_dim=1
        )
        assert (found.actions - 0.5).abs().max() < 0.02
        ```
    """

    keep_best = False

    def __init__(
        self,
        horizon: int = 5,
        num_samples: int = 300,
        *,
        num_iterations: int = 30,
        temperature: float = 0.1,
        scale: Literal["relative", "fixed"] = "relative",
        init_std: float = 1.0,
        decay: float = 0.85,
        num_elites: int | None = None,
        min_std: float | None = None,
        returns: Literal["mean", "draw"] = "mean",
    ) -> None:
        check_counts("MPPIPlanner", horizon=horizon, num_samples=num_samples, num_iterations=num_iterations)
        check_number("MPPIPlanner", "temperature", temperature, low=0, open_low=True)
        check_choice("MPPIPlanner", "scale", scale, ("relative", "fixed"))
        check_number("MPPIPlanner", "init_std", init_std, low=0, open_low=True)
        check_number("MPPIPlanner", "decay", decay, low=0, high=1, open_low=True)
        check_choice("MPPIPlanner", "returns", returns, ("mean", "draw"))
        if num_elites is not None:
            check_number("MPPIPlanner", "num_elites", num_elites, low=1, high=num_samples, integer=True)
        if min_std is not None:
            check_number("MPPIPlanner", "min_std", min_std, low=0, high=init_std)
        self.horizon = horizon
        self.num_samples = num_samples
        self.num_iterations = num_iterations
        self.temperature = temperature
        self.scale = scale
        self.init_std = init_std
        self.decay = decay
        self.num_elites = num_elites
        self.min_std = min_std
        self.returns = returns

    def init(self, problem: Problem) -> SearchState[Tensor | float]:
        """Start at the problem's first guess."""
        return SearchState(problem.init, self.init_std, 1e-2, self.init_std)

    def step(
        self, problem: Problem, state: SearchState[Tensor | float], evaluate: Evaluator, iteration: int
    ) -> SearchState[Tensor | float]:
        """Sample around the mean and average by weight."""
        std = self.init_std * self.decay**iteration if self.min_std is None else state.memory
        scored = evaluate(problem.sample(state.actions, std, self.num_samples, iteration=iteration))
        if self.num_elites is not None:
            scored = _cheapest(scored, self.num_elites)
        weights = self._weights(scored).to(scored.actions.dtype)
        total = fixed_sum(weights, 1)[:, None, None]
        mean = weighted_sum(weights, scored.actions).div_(total)
        if self.min_std is None:
            std = self.init_std * self.decay ** (iteration + 1)
        else:
            squares = (scored.actions - mean.unsqueeze(1)).square_()
            std = weighted_sum(weights, squares).div_(total).sqrt_().clamp_(self.min_std, self.init_std)
            std = torch.where(total > 0, std, state.memory)
        if not scored.all_finite:
            mean = torch.where(total > 0, mean, state.actions)
        if self.returns == "mean" or iteration < self.num_iterations - 1:
            return SearchState(mean, std, 1e-2, std)
        drawn = torch.where(total > 0, _drawn(problem, weights, scored.actions, iteration), mean)
        return SearchState(drawn, std, 1e-2, std, mean.unsqueeze(1))

    def _weights(self, scored: Evaluated) -> Tensor:
        costs, finite, count = scored.costs, None, scored.costs.shape[1]
        if not scored.all_finite:
            finite = costs < math.inf
            count = finite.sum(1).clamp_(min=1)
        temperature = self.temperature
        if self.scale == "relative":
            costs = costs / _power_of_two(costs if finite is None else torch.where(finite, costs, 0.0))
        excess = costs - costs.amin(1, keepdim=True)
        if finite is not None:
            excess = torch.where(finite, excess, 0.0)
        if self.scale == "relative":
            deviation = excess - fixed_sum(excess, 1).div_(count).unsqueeze(1)
            if finite is not None:
                deviation = torch.where(finite, deviation, 0.0)
            temperature = fixed_sum(deviation.square_(), 1).div_(count).sqrt_().mul_(temperature)
            # every cost the same: every candidate counts the same
            temperature = temperature.clamp_(min=torch.finfo(excess.dtype).tiny).unsqueeze(1)
        weights = excess.div_(temperature).neg_().exp_()
        return weights if finite is None else torch.where(finite, weights, 0.0)


def _cheapest(scored: Evaluated, num: int) -> Evaluated:
    """Return the `num` candidates of lowest cost."""
    costs, chosen = scored.costs.topk(num, dim=1, largest=False)
    rows = torch.arange(len(chosen), dtype=torch.int64, device=chosen.device).unsqueeze(1)
    return Evaluated(scored.actions[rows, chosen], costs, scored.all_finite)


def _drawn(problem: Problem, weights: Tensor, actions: Tensor, iteration: int) -> Tensor:
    """Return one candidate a row, drawn by weight: the first to arrive of exponential waiting times."""
    uniform = problem.uniform(weights.shape[1], iteration=iteration, stream=_DRAW)
    waiting = -(1 - uniform.to(weights)).log()
    chosen = torch.where(weights > 0, waiting / weights, math.inf).argmin(1)
    return actions[torch.arange(len(chosen), dtype=torch.int64, device=chosen.device), chosen]


def _power_of_two(costs: Tensor) -> Tensor:
    """Return a power of two near each row's largest magnitude, (batch, 1).

    Dividing by it changes no bit of what the weights come to, and no square overflows.
    """
    largest = costs.abs().amax(1, keepdim=True)
    return torch.where(largest > 0, largest / (2 * torch.frexp(largest).mantissa), 1.0)
