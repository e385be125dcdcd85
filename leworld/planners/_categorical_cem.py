"""The cross-entropy method over discrete actions."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import check_finite, check_number, check_size
from .._counter import fixed_sum
from .._lending import own_copy
from .._typing import shapechecked
from ..errors import ShapeError
from ._evaluator import Evaluator
from ._planner import Planner
from ._problem import Problem, behind_first
from ._search_state import SearchState
from ._settings import check_counts, elite_count

Memory = tuple[Tensor, Tensor]  # probabilities, and the choices on the search's device


@final
class CategoricalCEMPlanner(Planner[Memory]):
    r"""Cross-entropy method over a finite set of actions, an independent distribution at every step.

    Reach for it when the agent chooses among a few actions. The cost is shown the vector of each choice:
    one-hot for a model trained on one-hot actions, or any other table.

        k_t ~ p_t,   a_t = choices[k_t];   p_t <- momentum p_t + (1 - momentum) frequency among elites
        p_t <- (1 - n min_prob) p_t + min_prob      for n choices, so that none dies out

    Args:
        choices: One action vector a choice, (choice, action); `torch.eye(n)` for one-hot actions. They are
            clipped to the bounds like any action, so give none or wide ones.
        horizon: Planned steps.
        num_samples: Candidates an iteration, the most likely sequence among them.
        num_elites: How many of the best the distribution is refitted to. None for a tenth of `num_samples`,
            at least 2.
        num_iterations: Rounds.
        momentum: Share of the old probabilities in the new ones.
        min_prob: Least probability of a choice, below 1 / number of choices.
        init_weight: Share of the first distribution that lies on the choice nearest to the first guess of
            `plan(..., init=...)`. At 0 the search starts uniform and the guess is not used.

    Randomness:
        Choices are a function of (row seed, iteration, index); see `plan`.

    Source:
        Rubinstein and Kroese, "The Cross-Entropy Method", 2004, section 4 (discrete optimisation). There rho
        is num_elites / num_samples and alpha is 1 - momentum.

    Example:
        ```python
        import torch
        from leworld.planners import CategoricalCEMPlanner

        moves = torch.tensor([[0.0, 1.0], [0.0, -1.0], [1.0, 0.0], [-1.0, 0.0]])
        goal = torch.tensor([2.0, -1.0])
        planner = CategoricalCEMPlanner(moves, horizon=3, num_samples=100, num_elites=10, num_iterations=10)
        found = planner.plan(
            lambda actions: (actions.sum(2) - goal).square().sum(2), batch=1, action_dim=2
        )
        assert found.cost.item() == 0
        ```
    """

    @shapechecked
    def __init__(
        self,
        choices: Float[Tensor, " choice action"],
        horizon: int = 5,
        *,
        num_samples: int = 300,
        num_elites: int | None = None,
        num_iterations: int = 30,
        momentum: float = 0.1,
        min_prob: float = 1e-3,
        init_weight: float = 0.0,
    ) -> None:
        owner = "CategoricalCEMPlanner"
        check_size(
            owner, "choices", choices, 0, "choice", low=2, fix="Give at least two actions to choose from"
        )
        check_finite(owner, "choices", choices)
        counts = {"num_samples": num_samples, "num_iterations": num_iterations}
        check_counts(owner, horizon=horizon, **counts)
        check_number(owner, "momentum", momentum, low=0, high=0.999)
        check_number(owner, "min_prob", min_prob, low=0, high=0.5 / len(choices))
        check_number(owner, "init_weight", init_weight, low=0, high=1)
        self.choices = own_copy(choices)
        self.horizon = horizon
        self.num_samples = num_samples
        self.num_elites = elite_count(owner, num_elites, num_samples)
        self.num_iterations = num_iterations
        self.momentum = momentum
        self.min_prob = min_prob
        self.init_weight = init_weight

    def init(self, problem: Problem) -> SearchState[Memory]:
        """Start uniform, or with some weight on the choices nearest to the first guess."""
        num, size = self.choices.shape
        if size != problem.init.shape[2]:
            raise ShapeError(
                f"CategoricalCEMPlanner needs action_dim = {size}, the size of its choices",
                f"`action_dim` is {problem.init.shape[2]}",
                "Plan with the `action_dim` of `choices`",
            )
        table = self.choices.to(problem.init)
        probs = torch.nn.functional.one_hot(_nearest(problem.init, table), num).to(table) * self.init_weight
        return self._state(probs + (1 - self.init_weight) / num, table)

    def step(
        self, problem: Problem, state: SearchState[Memory], evaluate: Evaluator, iteration: int
    ) -> SearchState[Memory]:
        """Draw choices, score them, refit the probabilities to the elites' frequencies."""
        probs, table = state.memory
        draws = problem.uniform(self.num_samples, self.horizon, iteration=iteration)
        picked = (draws.unsqueeze(-1) >= probs.cumsum(-1)[:, None, :, :-1]).sum(-1)
        picked[:, 0] = probs.argmax(-1)
        if iteration == 0 and problem.guesses is not None:
            picked = behind_first(picked, _nearest(problem.guesses, table))
        num = len(self.choices)
        hot = torch.nn.functional.one_hot(picked, num).to(probs)
        scored = evaluate(table[picked])
        chosen = scored.order()[:, : self.num_elites]
        rows = torch.arange(len(chosen), dtype=torch.int64, device=chosen.device).unsqueeze(1)
        usable = scored.costs[rows, chosen].isfinite()[:, :, None, None]
        count = usable.sum(1)
        frequency = fixed_sum(torch.where(usable, hot[rows, chosen], 0.0), 1) / count
        fitted = self.momentum * probs + (1 - self.momentum) * frequency
        fitted = (1 - num * self.min_prob) * fitted + self.min_prob
        return self._state(torch.where(count > 0, fitted, probs), table)

    def _state(self, probs: Tensor, table: Tensor) -> SearchState[Memory]:
        top = probs.amax(-1)
        spread = (1 - top).amax(1)
        return SearchState(table[probs.argmax(-1)], spread, spread <= 0.05, (probs, table))


def _nearest(actions: Tensor, table: Tensor) -> Tensor:
    """Return the number of the choice nearest to each of the actions (..., action)."""
    return (actions.unsqueeze(-2) - table).square().sum(-1).argmin(-1)
