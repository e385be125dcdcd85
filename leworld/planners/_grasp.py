"""Gradient descent on actions and on the states in between."""

from typing import final

import torch
from torch import Tensor
from torch.optim import Adam

from .._checks import check_number, plain_numbers
from ..errors import ConfigError
from ._evaluator import Evaluator
from ._gradient import spread
from ._planner import Planner
from ._problem import Problem
from ._search_state import SearchState
from ._settings import check_counts

Optimizers = tuple[Adam, Adam]  # for steps with virtual states and on the true cost
Memory = tuple[Tensor, Optimizers, Tensor | None, Tensor | None]  # actions, optimizers, states, last costs


@final
@plain_numbers
class GRASPPlanner(Planner[Memory]):
    r"""Gradient relaxed stochastic planner (GRASP): actions and the states between them are found together.

    Reach for it with long horizons and a differentiable model: a gradient through a long rollout explodes,
    vanishes or leads straight into a wall. Here every step is predicted from a *virtual* state, all steps
    side by side, so that no gradient passes through more than one step of dynamics, and noise on the virtual
    states explores. Where a plain gradient works, `GradientPlanner` is simpler and ends closer to the
    optimum; `Refine(GRASPPlanner(...), GradientPlanner(...))` has both. It needs a cost that shows its
    dynamics, a `LiftedCost` such as `GoalCost`.

        p_t = F(sg(s_{t-1}), a_t)                      a prediction from a virtual state, s_0 the real one
        L = sum_{t<H} |p_t - s_t|^2 + D(p_H) + goal_weight sum_t D(p_t)
        a <- project(Adam step with dL / da)
        s_t <- s_t + state_rate (p_t - s_t) + sigma noise,   sigma falling from state_noise to 0 in each cycle

    D is the cost's distance to the goal, sg stops the gradient. A cycle of `sync_every` iterations ends with
    `sync_steps` gradient steps on the true cost of the actions, through the whole rollout, whose states then
    become the virtual ones. Only these steps (and the first iteration) show sequences to the true cost. The
    plan is the best sequence among them.

    Args:
        horizon: Planned steps.
        num_restarts: Starts, the first guess among them; each has virtual states and noise of its own.
        num_iterations: Gradient steps of both kinds.
        init_std: Spread of the starts, in units of the actions.
        action_rate: Adam's learning rate, in units of the actions.
        state_rate: Share of the way to its prediction that a virtual state goes in one iteration.
        state_noise: Standard deviation of the noise on virtual states, in units of the embedding.
        goal_weight: Weight of the pull of every step toward the goal; at 0 only the last step is pulled.
        sync_every: Iterations of a cycle.
        sync_steps: How many of them are steps on the true cost.

    Raises:
        ConfigError: If a setting is out of range or the cost is no `LiftedCost`.

    Numerics:
        The gradient reaches the actions only. Entries with a non-finite gradient or prediction do not move.
        In `Trace.num_evaluations` one pass over all steps of a sequence counts as one evaluation, whether
        its states are virtual or rolled out; a gradient costs more than that in either case.

    Randomness:
        Starts and noise are functions of (row seed, iteration, index); see `plan`.

    Source:
        Psenka, Rabbat, Krishnapriyan, LeCun, Bar, "Parallel stochastic gradient-based planning for world
        models", 2026 (arXiv 2602.00475). There a gradient step moves the virtual states; since the
        stop-gradient leaves them |p_t - s_t|^2 alone, `state_rate` is twice its step size. Differences:
        one Adam for each kind of step, several restarts, any distance of the cost, and the best sequence
        seen. Settings are ours; they are not tuned to the paper's tasks.

    Example:
        ```python
        import torch
        from leworld.costs import GoalCost
        from leworld.planners import GRASPPlanner

        class Integrator:
            def rollout(self, context, past_actions, actions):
                return context[:, None, -1:] + actions.cumsum(2)

        cost = GoalCost(Integrator(), torch.tensor([[2.0, -1.0]]), context=torch.zeros(1, 1, 2))
        planner = GRASPPlanner(horizon=10, num_restarts=1, num_iterations=60, goal_weight=0.02)
        plan = planner.plan(cost, batch=1, action_dim=2, bounds=(-1.0, 1.0))
        assert plan.cost.item() < 0.05  # 5 if nothing moves
        ```
    """

    def __init__(
        self,
        horizon: int = 25,
        num_restarts: int = 4,
        *,
        num_iterations: int = 100,
        init_std: float = 0.1,
        action_rate: float = 0.05,
        state_rate: float = 0.2,
        state_noise: float = 0.1,
        goal_weight: float = 0.1,
        sync_every: int = 20,
        sync_steps: int = 5,
    ) -> None:
        counts = {"num_restarts": num_restarts, "num_iterations": num_iterations}
        check_counts("GRASPPlanner", horizon=horizon, **counts, sync_every=sync_every, sync_steps=sync_steps)
        check_number("GRASPPlanner", "init_std", init_std, low=0)
        check_number("GRASPPlanner", "action_rate", action_rate, low=0, open_low=True)
        check_number("GRASPPlanner", "state_rate", state_rate, low=0, high=1, open_low=True)
        check_number("GRASPPlanner", "state_noise", state_noise, low=0)
        check_number("GRASPPlanner", "goal_weight", goal_weight, low=0)
        if sync_steps > sync_every:
            raise ConfigError(
                "GRASPPlanner needs at most `sync_every` steps on the true cost in a cycle",
                f"`sync_steps={sync_steps}` and `sync_every={sync_every}`",
                "Make the cycle longer; for steps on the true cost alone use GradientPlanner",
            )
        self.horizon = horizon
        self.num_restarts = num_restarts
        self.num_iterations = num_iterations
        self.init_std = init_std
        self.action_rate = action_rate
        self.state_rate = state_rate
        self.state_noise = state_noise
        self.goal_weight = goal_weight
        self.sync_every = sync_every
        self.sync_steps = sync_steps

    def init(self, problem: Problem) -> SearchState[Memory]:
        """Spread the starts around the problem's first guess; states come with the first iteration."""
        actions = problem.sample(problem.init, self.init_std, self.num_restarts, iteration=0)
        actions = problem.project(actions)
        never = torch.zeros(len(actions), dtype=torch.bool, device=actions.device)
        optimizers = (Adam([actions], lr=self.action_rate), Adam([actions], lr=self.action_rate))
        memory = (actions, optimizers, None, None)
        return SearchState(problem.init, spread(actions), never, memory)

    def step(
        self, problem: Problem, state: SearchState[Memory], evaluate: Evaluator, iteration: int
    ) -> SearchState[Memory]:
        """Take one step with virtual states, or near a cycle's end one on the true cost."""
        actions, optimizers, states, costs = state.memory
        if states is None or costs is None:
            costs = evaluate(actions).costs
            states = evaluate.guess_states(actions)
            if evaluate.time_is_up():
                return self._state(state, (actions, optimizers, states, costs))
        before = actions.clone()
        phase = iteration % self.sync_every
        remaining = self.num_iterations - iteration
        synchronous = phase >= self.sync_every - self.sync_steps or remaining <= self.sync_steps
        if synchronous:
            scored, actions.grad = evaluate.gradient(actions)
            costs = scored.costs
        else:
            predicted, actions.grad = evaluate.relax(actions, states, self.goal_weight)
            moved = states + self.state_rate * (predicted[:, :, :-1] - states)
            sigma = self.state_noise * (1 - phase / self.sync_every)
            moved = moved + sigma * problem.normal(*states.shape[1:], iteration=iteration, stream=1)
            states = torch.where(moved.isfinite(), moved, states)
        optimizers[synchronous].step()
        actions.copy_(problem.project(torch.where(actions.isfinite(), actions, before)))
        if synchronous and phase == self.sync_every - 1 and not evaluate.time_is_up():
            rolled = evaluate.rollout(actions)[:, :, :-1]
            states = torch.where(rolled.isfinite(), rolled, states)
        return self._state(state, (actions, optimizers, states, costs))

    def _state(self, before: SearchState[Memory], memory: Memory) -> SearchState[Memory]:
        actions, _, _, costs = memory
        answer = before.actions
        if costs is not None:
            answer = actions[
                torch.arange(len(actions), dtype=torch.int64, device=actions.device), costs.argmin(1)
            ]
        return SearchState(answer, spread(actions), before.converged, memory)
