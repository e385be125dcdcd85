"""The cross-entropy method, with the settings of LeWorldModel."""

from typing import Literal, final

import torch
from torch import Tensor

from .._checks import check_choice, check_number, plain_numbers
from ._evaluator import Evaluator
from ._planner import Planner
from ._problem import Problem
from ._refit import refit_gaussian
from ._search_state import SearchState
from ._settings import check_counts, elite_count


@final
@plain_numbers
class CEMPlanner(Planner[Tensor]):
    r"""Cross-entropy method: sample, keep the best few, refit a Gaussian to them, repeat.

    The planner of LeWorldModel, and a good first choice whenever one call can score hundreds of candidates.
    It needs no gradient, tolerates discontinuous costs, and costs `num_iterations * num_samples` rollouts.

    With mean m and standard deviation s of every action component at every step, one iteration is

        a_0 = m,   a_i = m + s * e_i,   e_i ~ N(0, I),   i = 1 .. num_samples - 1   (clipped to the bounds)
        m, s <- mean and sample standard deviation of the num_elites candidates of lowest cost
        s <- max(s, min_std)

    Candidates whose cost is NaN or infinite are never elites; a row with none left keeps m and s.

    Args:
        horizon: Planned steps (action blocks). LeWM plans 5.
        num_samples: Candidates an iteration, the mean among them.
        num_elites: How many of the best the Gaussian is refitted to. None for a tenth of `num_samples`, at
            least 2.
        num_iterations: Rounds. LeWM uses 30 for Push-T and 10 elsewhere; its released code 30.
        init_std: First standard deviation, in units of the actions (normalised blocks: 1).
        min_std: Floor of the standard deviation. It keeps the search alive when elites coincide, for example
            with `num_elites=1`; raise it there to about the accuracy that you need.
        tolerance: A row counts as converged when no standard deviation exceeds this at the end.
        returns: "best" for the best sequence seen, "mean" for the last mean as in LeWM's released code.

    Numerics:
        The search distribution is kept in float32 (float64 for a float64 `init`), also when candidates are
        shown to the cost in bf16. Adding a constant to the cost or scaling it changes nothing as long as the
        order of the costs stands.

    Randomness:
        Noise is a function of (row seed, iteration, index); see `plan`.

    Source:
        Rubinstein and Kroese, "The Cross-Entropy Method", 2004, for Gaussians; settings and the mean as a
        candidate from LeWorldModel (Maes et al., 2026, App. D, Alg. 2) and its released code. There mu and
        sigma are m and s, N is `num_samples` and K `num_elites`. Differences: the plan is the best sequence
        seen unless `returns="mean"`; the standard deviation of a single elite is 0 and not NaN; `min_std`;
        bounds.

    Example:
        ```python
        import torch
        from leworld.planners import CEMPlanner

        planner = CEMPlanner(horizon=5, num_samples=300)
        found = planner.plan(
            lambda actions: (actions - 2.0).square().sum((2, 3)), batch=1, action_dim=2, bounds=(-1.0, 1.0)
        )
        assert (found.actions - 1.0).abs().max() < 0.01
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
        min_std: float = 1e-3,
        tolerance: float = 1e-2,
        returns: Literal["best", "mean"] = "best",
    ) -> None:
        counts = {"num_samples": num_samples, "num_iterations": num_iterations}
        check_counts("CEMPlanner", horizon=horizon, **counts)
        check_number("CEMPlanner", "init_std", init_std, low=0, open_low=True)
        check_number("CEMPlanner", "min_std", min_std, low=0)
        check_number("CEMPlanner", "tolerance", tolerance, low=0)
        check_choice("CEMPlanner", "returns", returns, ("best", "mean"))
        self.horizon = horizon
        self.num_samples = num_samples
        self.num_elites = elite_count("CEMPlanner", num_elites, num_samples)
        self.num_iterations = num_iterations
        self.init_std = init_std
        self.min_std = min_std
        self.tolerance = tolerance
        self.returns = returns
        self.keep_best = returns == "best"

    def init(self, problem: Problem) -> SearchState[Tensor]:
        """Start at the problem's first guess with `init_std`."""
        return self._state(problem.init, torch.full_like(problem.init, self.init_std))

    def step(
        self, problem: Problem, state: SearchState[Tensor], evaluate: Evaluator, iteration: int
    ) -> SearchState[Tensor]:
        """Sample, score, and refit mean and standard deviation to the elites."""
        drawn = problem.sample(state.actions, state.memory, self.num_samples, iteration=iteration)
        mean, stds = refit_gaussian(
            evaluate(drawn), self.num_elites, state.actions, state.memory, correction=1, floor=self.min_std
        )
        return self._state(mean, stds)

    def _state(self, mean: Tensor, stds: Tensor) -> SearchState[Tensor]:
        return SearchState(mean, stds, self.tolerance, stds)
