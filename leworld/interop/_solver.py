"""A planner of leworld as a solver of stable-worldmodel."""

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from .._checks import check_number, describe, plain_numbers
from .._random import fold_seed
from ..errors import ConfigError, ShapeError
from ..planners import Planner
from ._cost import SWMCost
from ._costable import CostableCost


@final
@plain_numbers
class SWMSolver:
    """A planner of leworld as the solver of stable-worldmodel's `WorldModelPolicy`.

    Both versions configure it and call it in the same way. The cost is a `SWMCost`, or anything else with
    their `get_cost`. The former plan that the policy hands over is where a search begins, continued with
    zeros; a policy of theirs hands it over with its own `warm_start`.

    Args:
        planner: Its `horizon` has to be that of the policy's `PlanConfig`.
        cost: What to minimise.
        bounded: Whether the search keeps to the limits of the action space. They are in raw units, so only a
            `SWMCost`, whose processor knows both, can be bounded; the search for others is not.
        seed: Of the noise.
        max_candidates: Most candidates in one call of the cost, over all environments; bounds the memory.
        time_budget: Seconds for one planning call.

    Attributes:
        action_dim: Size of an action block, 0 before `configure`.
        n_envs: Environments of the policy, 0 before `configure`.
        horizon: Blocks of a plan.

    Raises:
        ConfigError: If planner, cost and the policy's config do not fit together.
        ShapeError: If the former plan has another shape.
        NonFiniteError: From `solve`, if all costs of an environment are NaN or infinite.

    Randomness: a function of `seed`, the number of earlier calls and the row.

    Source: galilai-group/stable-worldmodel, release 0.1.1 (solver/solver.py, policy.py) and main.

    Example:
        ```python
        import numpy as np
        import torch
        import leworld
        from leworld.interop import SWMCost, SWMSolver
        from leworld.planners import CEMPlanner

        class Config:  # stands for `stable_worldmodel.PlanConfig(2, 1, action_block=5)`
            horizon, receding_horizon, action_block = 2, 1, 5

        class Space:  # and for the space of 3 environments
            low, high, shape = -np.ones((3, 2)), np.ones((3, 2)), (3, 2)

        planner = CEMPlanner(horizon=2, num_samples=16, num_iterations=2)
        solver = SWMSolver(planner, SWMCost(leworld.load("lewm-tworoom-tiny")))
        solver.configure(action_space=Space(), n_envs=3, config=Config())
        frames = torch.zeros(3, 1, 64, 64, 3, dtype=torch.uint8)
        assert solver({"pixels": frames, "goal": frames})["actions"].shape == (3, 2, 10)
        ```
    """

    def __init__(
        self,
        planner: Planner,
        cost: Any,
        *,
        bounded: bool = True,
        seed: int = 0,
        max_candidates: int | None = None,
        time_budget: float | None = None,
    ) -> None:
        if not isinstance(planner, Planner):
            raise ConfigError(
                "SWMSolver needs `planner` to be a `leworld.planners.Planner`",
                f"it is {describe(planner)}",
                "Pass for example `CEMPlanner(horizon=5)`",
            )
        if not callable(getattr(cost, "get_cost", None)):
            raise ConfigError(
                "SWMSolver needs `cost` to have `get_cost(info, candidates)`",
                f"it is {describe(cost)}",
                "Pass `SWMCost(model)`, or a cost of stable-worldmodel",
            )
        check_number("SWMSolver", "seed", seed, low=0, integer=True)
        self.planner = planner
        self.cost = cost
        self.bounded = bounded
        self.seed = seed
        self.max_candidates = max_candidates
        self.time_budget = time_budget
        self.horizon = planner.horizon
        self.action_dim = 0
        self.n_envs = 0
        self._bounds: tuple[Tensor, Tensor] | None = None
        self._num_plans = 0

    @plain_numbers
    def configure(self, *, action_space: Any, n_envs: int, config: Any) -> None:
        """Take in what the policy plays: its environments and its `PlanConfig`.

        Args:
            action_space: The space of all environments, a `Box` (env, action).
            n_envs: Their number.
            config: With `horizon` and `action_block`.
        """
        low, high = (getattr(action_space, name, None) for name in ("low", "high"))
        shape = getattr(action_space, "shape", None)
        if not isinstance(low, np.ndarray) or not isinstance(high, np.ndarray) or not shape or shape[0] < 1:
            raise ConfigError(
                "SWMSolver needs an action space with limits, a `Box` (env, action)",
                f"it is {describe(action_space)}",
                "Use stable-worldmodel's CategoricalCEMSolver, with a SWMCost, where actions are choices",
            )
        if config.horizon != self.planner.horizon:
            raise ConfigError(
                f"SWMSolver needs a PlanConfig with the planner's horizon={self.planner.horizon}",
                f"it has horizon={config.horizon}",
                "Build both with the same number of blocks",
            )
        components = int(np.prod(shape[1:]))
        size = components * int(config.action_block)
        bounds = None
        if isinstance(self.cost, SWMCost):
            model = self.cost.model
            if size != model.action_dim:
                raise ConfigError(
                    f"SWMSolver needs blocks of the model's action_dim={model.action_dim}",
                    f"the space has {components} components and the PlanConfig action_block="
                    f"{config.action_block}",
                    "Set `action_block` to the frameskip of the model's processor",
                )
            ends = low[0].ravel(), high[0].ravel()
            if self.bounded and np.isfinite(ends).all() and model.has_processor:
                bounds = model.processor.block_bounds(*ends)
        self.action_dim, self.n_envs, self._bounds = size, n_envs, bounds

    def solve(self, info_dict: Mapping[str, Any], init_action: Tensor | None = None) -> dict[str, Any]:
        """Plan for the rows of an info, all environments or some.

        Args:
            info_dict: What the policy senses, a row an environment.
            init_action: The former plan (row, step, action), at most as long as the horizon.

        Returns:
            `actions` (row, horizon, action) on the CPU, `costs`, one float a row, `mean`, the actions in a
            list as the library's own solvers have them, and `plan`, the `leworld.planners.Plan`.
        """
        if not self.n_envs:
            raise ConfigError(
                "SWMSolver needs to know its environments",
                "`configure` was never called",
                "Give it to a policy and call `set_env`, or `configure` it",
            )
        cost = CostableCost(self.cost, info_dict)
        rows = len(cost)
        seeds = [fold_seed(self.seed, self._num_plans, row) for row in range(rows)]
        plan = self.planner.plan(
            cost,
            batch=rows,
            action_dim=self.action_dim,
            init=self._first_guess(init_action, rows, cost),
            bounds=self._bounds,
            generator=seeds,
            throw=True,
            max_candidates=self.max_candidates,
            time_budget=self.time_budget,
        )
        self._num_plans += 1
        actions = plan.actions.detach().float().cpu()
        return {"actions": actions, "costs": plan.cost.tolist(), "mean": [actions.clone()], "plan": plan}

    def __call__(self, info_dict: Mapping[str, Any], init_action: Tensor | None = None) -> dict[str, Any]:
        """Return `solve(info_dict, init_action)`, as the policy calls it."""
        return self.solve(info_dict, init_action=init_action)

    def _first_guess(self, former: Tensor | None, rows: int, cost: CostableCost) -> Tensor | None:
        if former is None:
            return None
        steps, due = self.planner.horizon, (rows, "at most", self.planner.horizon, self.action_dim)
        fits = isinstance(former, Tensor) and former.ndim == 3 and former.shape[1] <= steps
        if not fits or (former.shape[0], former.shape[2]) != (rows, self.action_dim):
            raise ShapeError(
                f"SWMSolver needs `init_action` (row, step, action) = {due}",
                f"it is {describe(former)}",
                "Pass the rest of the former plan",
            )
        guess = torch.zeros(rows, steps, self.action_dim, dtype=cost.dtype, device=cost.device)
        guess[:, : former.shape[1]] = former.to(guess)
        return guess
