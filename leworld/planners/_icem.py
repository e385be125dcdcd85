"""The improved cross-entropy method: coloured noise, kept elites, a shrinking population."""

import math
from typing import final

import torch
from torch import Tensor

from .._checks import check_number, plain_numbers
from .._lending import own_copy
from ._evaluator import Evaluated, Evaluator
from ._planner import Planner
from ._problem import Problem
from ._refit import refit_gaussian
from ._search_state import SearchState
from ._settings import check_counts, elite_count

Memory = tuple[Tensor, Tensor, Tensor]  # standard deviations, kept elites, synthesis of the noise


@final
@plain_numbers
class ICEMPlanner(Planner[Memory]):
    r"""Improved cross-entropy method (iCEM): CEM with noise that is correlated in time and kept elites.

    Reach for it with long horizons or few samples: smooth action sequences move a body further than white
    noise, and elites of one iteration compete in the next. It costs less than CEM at equal settings, as the
    population shrinks.

        e = L w,   w ~ N(0, I) along the horizon,   power of e at frequency f proportional to
        f^-noise_exponent candidates: kept elites, m + s * e_i, and in the last iteration m itself
        m <- momentum m + (1 - momentum) mean of elites,   likewise s
        samples of iteration i: max(num_samples * shrinkage^-i, 2 num_elites)

    Args:
        horizon: Planned steps.
        num_samples: Candidates of the first iteration.
        num_elites: How many of the best the Gaussian is refitted to. None for a tenth of `num_samples`, at
            least 2.
        num_iterations: Rounds.
        init_std: First standard deviation, in units of the actions.
        noise_exponent: 0 for white noise, 1 pink, 2 red. The paper uses 0.25 to 3.5, by task.
        kept_elites: Share of the elites that compete again in the next iteration.
        momentum: Share of the old mean and standard deviation in the new ones.
        shrinkage: Factor by which the population shrinks, at least 1.
        min_std: Floor of the standard deviation.

    Randomness:
        Noise is a function of (row seed, iteration, index); see `plan`.

    Source:
        Pinneri, Sawant, Blaes, Achterhold, Stueckler, Rolinek, Martius, "Sample-efficient cross-entropy
        method for real-time planning", CoRL 2020, Algorithm 1. There beta is `noise_exponent`, xi
        `kept_elites`, alpha `momentum`, gamma `shrinkage`, N and K the samples and elites. Differences:
        `plan` returns its kept elites as `Plan.elites`, and its caller shifts them and passes them with the
        next `init` (`MPCPolicy` does), with zeros after the shift where the paper draws the last action
        anew; a horizon of 1 works (its noise is white); the plan is the best sequence seen in any iteration.

    Example:
        ```python
        import torch
        from leworld.planners import ICEMPlanner

        found = ICEMPlanner(horizon=8, num_samples=100, num_elites=10).plan(
            lambda actions: (actions - 0.7).square().sum((2, 3)), batch=1, action_dim=1
        )
        assert found.cost.item() < 0.05
        ```
    """

    def __init__(
        self,
        horizon: int = 5,
        num_samples: int = 300,
        *,
        num_elites: int | None = None,
        num_iterations: int = 30,
        init_std: float = 1.0,
        noise_exponent: float = 2.0,
        kept_elites: float = 0.3,
        momentum: float = 0.1,
        shrinkage: float = 1.25,
        min_std: float = 1e-3,
    ) -> None:
        counts = {"num_samples": num_samples, "num_iterations": num_iterations}
        check_counts("ICEMPlanner", horizon=horizon, **counts)
        check_number("ICEMPlanner", "init_std", init_std, low=0, open_low=True)
        check_number("ICEMPlanner", "noise_exponent", noise_exponent, low=0)
        check_number("ICEMPlanner", "kept_elites", kept_elites, low=0, high=1)
        check_number("ICEMPlanner", "momentum", momentum, low=0, high=0.999)
        check_number("ICEMPlanner", "shrinkage", shrinkage, low=1)
        check_number("ICEMPlanner", "min_std", min_std, low=0)
        self.horizon = horizon
        self.num_samples = num_samples
        self.num_elites = elite_count("ICEMPlanner", num_elites, num_samples)
        self.num_iterations = num_iterations
        self.init_std = init_std
        self.noise_exponent = noise_exponent
        self.kept_elites = kept_elites
        self.num_kept = math.ceil(kept_elites * self.num_elites)
        self.momentum = momentum
        self.shrinkage = shrinkage
        self.min_std = min_std
        self._synthesis = own_copy(_synthesis(horizon, noise_exponent))

    def init(self, problem: Problem) -> SearchState[Memory]:
        """Start at the problem's first guess, with the elites of a former call or none."""
        kept = problem.init.unsqueeze(1)[:, :0]
        if problem.guesses is not None:
            kept = problem.guesses[:, : self.num_kept]
        stds = torch.full_like(problem.init, self.init_std)
        return self._state(problem.init, (stds, kept, self._synthesis.to(kept)))

    def step(
        self, problem: Problem, state: SearchState[Memory], evaluate: Evaluator, iteration: int
    ) -> SearchState[Memory]:
        """Sample coloured noise, let the kept elites compete, refit with momentum."""
        stds, kept, synthesis = state.memory
        shrunk = math.ceil(self.num_samples * self.shrinkage**-iteration)
        num = min(self.num_samples, max(shrunk, 2 * self.num_elites))
        white = problem.normal(num, *problem.init.shape[1:], iteration=iteration)
        drawn = state.actions.unsqueeze(1) + stds.unsqueeze(1) * _colour(white, synthesis)
        candidates = [drawn, kept]
        if iteration == self.num_iterations - 1:
            candidates.append(state.actions.unsqueeze(1))
        scored = evaluate(torch.cat(candidates, dim=1))
        mean, fitted = refit_gaussian(scored, self.num_elites, state.actions, stds, correction=0)
        mean = self.momentum * state.actions + (1 - self.momentum) * mean
        fitted = (self.momentum * stds + (1 - self.momentum) * fitted).clamp(min=self.min_std)
        return self._state(mean, (fitted, _best_of(scored, self.num_kept), synthesis))

    def _state(self, mean: Tensor, memory: Memory) -> SearchState[Memory]:
        return SearchState(mean, memory[0], 1e-2, memory, elites=memory[1])


def _best_of(scored: Evaluated, num: int) -> Tensor:
    """Return the `num` candidates of lowest cost, best first."""
    chosen = scored.costs.topk(num, dim=1, largest=False).indices
    return scored.actions[
        torch.arange(len(chosen), dtype=torch.int64, device=chosen.device).unsqueeze(1), chosen
    ]


def _colour(white: Tensor, synthesis: Tensor) -> Tensor:
    """Mix the horizon's white noise into coloured noise, one addition at a time (see `fixed_sum`)."""
    coloured = synthesis[:, 0, None] * white[:, :, :1]
    for component in range(1, len(synthesis)):
        coloured = coloured + synthesis[:, component, None] * white[:, :, component : component + 1]
    return coloured


def _synthesis(horizon: int, exponent: float) -> Tensor:
    """Return L (horizon, component): unit variance at every step, power f^-exponent over frequencies.

    Its columns are the real Fourier basis, scaled; the constant gets the power of the lowest frequency.
    """
    steps = torch.arange(horizon, dtype=torch.float64, device="cpu")
    columns, powers = [torch.ones_like(steps)], [1.0]
    for k in range(1, horizon // 2 + 1):
        angle = 2 * math.pi * k * steps / horizon
        power = k**-exponent
        if 2 * k == horizon:
            columns.append(angle.cos())
            powers.append(power)
        else:
            columns += [math.sqrt(2) * angle.cos(), math.sqrt(2) * angle.sin()]
            powers += [power, power]
    scale = (steps.new_tensor(powers) / sum(powers)).sqrt()
    return torch.stack(columns, dim=1) * scale
