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


@final
@plain_numbers
class MPPIPlanner(Planner[None]):
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

    Args:
        horizon: Planned steps.
        num_samples: Candidates an iteration, the mean among them.
        num_iterations: Rounds.
        temperature: T or its ratio to the spread of costs. Lower is greedier.
        scale: "relative" or "fixed" temperature.
        init_std: Standard deviation of the noise in the first iteration, in units of the actions.
        decay: Factor on the standard deviation after each iteration; 1 for the constant noise of the paper.

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
        temperature.

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
    ) -> None:
        check_counts("MPPIPlanner", horizon=horizon, num_samples=num_samples, num_iterations=num_iterations)
        check_number("MPPIPlanner", "temperature", temperature, low=0, open_low=True)
        check_choice("MPPIPlanner", "scale", scale, ("relative", "fixed"))
        check_number("MPPIPlanner", "init_std", init_std, low=0, open_low=True)
        check_number("MPPIPlanner", "decay", decay, low=0, high=1, open_low=True)
        self.horizon = horizon
        self.num_samples = num_samples
        self.num_iterations = num_iterations
        self.temperature = temperature
        self.scale = scale
        self.init_std = init_std
        self.decay = decay

    def init(self, problem: Problem) -> SearchState[None]:
        """Start at the problem's first guess."""
        return self._state(problem.init, 0)

    def step(
        self, problem: Problem, state: SearchState[None], evaluate: Evaluator, iteration: int
    ) -> SearchState[None]:
        """Sample around the mean and average by weight."""
        std = self.init_std * self.decay**iteration
        scored = evaluate(problem.sample(state.actions, std, self.num_samples, iteration=iteration))
        weights = self._weights(scored).to(scored.actions.dtype)
        total = fixed_sum(weights, 1)[:, None, None]
        mean = weighted_sum(weights, scored.actions).div_(total)
        if not scored.all_finite:
            mean = torch.where(total > 0, mean, state.actions)
        return self._state(mean, iteration + 1)

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

    def _state(self, mean: Tensor, iteration: int) -> SearchState[None]:
        return SearchState(mean, self.init_std * self.decay**iteration, 1e-2, None)


def _power_of_two(costs: Tensor) -> Tensor:
    """Return a power of two near each row's largest magnitude, (batch, 1).

    Dividing by it changes no bit of what the weights come to, and no square overflows.
    """
    largest = costs.abs().amax(1, keepdim=True)
    return torch.where(largest > 0, largest / (2 * torch.frexp(largest).mantissa), 1.0)
