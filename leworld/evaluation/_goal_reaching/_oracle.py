"""A policy that plans with the true dynamics: what the planner could reach with a perfect model."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Protocol, final, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..._checks import check_number, describe, plain_numbers
from ..._random import fold_seed
from ..._typing import Limits
from ...control import Policy, limit_arrays
from ...data import Observation
from ...errors import ConfigError
from ...planners import Planner


@runtime_checkable
class Dynamics(Protocol):
    """Anything with a `step` from states and actions to the next states, for any leading axes.

    Where there is also a `rollout` from states and actions "... time action" to the last states, as of
    `PushTArena`, it is called in place of many steps.

    Example:
        ```python
        from leworld.evaluation import Dynamics

        class Line:
            def step(self, positions, actions):
                return positions + actions

        assert isinstance(Line(), Dynamics)
        ```
    """

    @abstractmethod
    def step(self, positions: np.ndarray, actions: np.ndarray, /) -> np.ndarray:
        """Return the states after one action, "... state"."""
        ...


@final
@plain_numbers
class OraclePolicy(Policy):
    r"""Plan with the true dynamics and the true distance, as `MPCPolicy` does with a model.

    It shows how much of a failure is the planner's and the protocol's, and how much the model's: same
    planner, same blocks of actions, same bounds, same number of executed blocks. Its cost is the squared
    distance of the last planned state to the goal, Euclidean unless `distance` is given, without any
    knowledge of walls between.

    Args:
        dynamics: The true dynamics, for example the `world` of a task.
        planner: The planner that the model is evaluated with.
        action_dim: Components of a raw action.
        frameskip: Raw actions in a planned block.
        receding_horizon: Planned blocks to execute before planning anew; default: all of them.
        action_limits: Lowest and highest raw action, each a number or one a component.
        distance: Distance of states "... state" to goals, which broadcast; Euclidean when None.
        seed: Seed of the planner's noise.

    Raises:
        ConfigError: An option out of range, no dynamics or no planner, acting before `reset`, or observations
            without states.

    Numerics:
        The planner searches raw actions, so its `init_std` is in raw units; bounds clip the candidates.

    Randomness:
        Each environment plans with its own stream made from `seed` and its index, afresh at each `reset`.

    Example:
        ```python
        import numpy as np
        from leworld.data import Observation
        from leworld.evaluation import OraclePolicy
        from leworld.planners import CEMPlanner
        from leworld.tasks import get_task

        world = get_task("tworoom").world
        policy = OraclePolicy(world, CEMPlanner(horizon=2, num_samples=64, num_iterations=10))
        pixels = np.zeros((1, 8, 8, 3), dtype=np.uint8)
        state = np.array([[40.0, 60.0]], dtype=np.float32)
        policy.reset(Observation(pixels=pixels, state=np.array([[40.0, 110.0]], dtype=np.float32)))
        for _ in range(10):
            state = world.step(state, policy.act(Observation(pixels=pixels, state=state)))
        assert abs(float(state[0, 1]) - 110.0) < 16.0
        ```
    """

    def __init__(
        self,
        dynamics: Dynamics,
        planner: Planner,
        *,
        action_dim: int = 2,
        frameskip: int = 5,
        receding_horizon: int | None = None,
        action_limits: Limits = (-1.0, 1.0),
        distance: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
        seed: int = 0,
    ) -> None:
        check_number("OraclePolicy", "action_dim", action_dim, low=1, integer=True)
        check_number("OraclePolicy", "frameskip", frameskip, low=1, integer=True)
        check_number("OraclePolicy", "seed", seed, low=0, integer=True)
        limits = limit_arrays(action_limits, action_dim, owner="OraclePolicy")
        if not isinstance(dynamics, Dynamics) or not isinstance(planner, Planner):
            raise ConfigError(
                "OraclePolicy needs `dynamics` with a method `step` and a `leworld.planners.Planner`",
                f"`dynamics` is {describe(dynamics)} and `planner` is {describe(planner)}",
                "Pass for example `OraclePolicy(task.world, CEMPlanner())`",
            )
        horizon = planner.horizon
        blocks = horizon if receding_horizon is None else receding_horizon
        check_number("OraclePolicy", "receding_horizon", blocks, low=1, high=horizon, integer=True)
        if distance is not None and not callable(distance):
            raise ConfigError(
                "OraclePolicy needs `distance` to be a function of states and goals, or None",
                f"`distance` is {describe(distance)}",
                "Pass for example a task's method `distance`",
            )
        self._dynamics = dynamics
        self._distance = distance
        self._planner = planner
        self._action_dim = action_dim
        self._frameskip = frameskip
        self._num_executed = blocks * frameskip
        low, high = (torch.from_numpy(limit).repeat(frameskip) for limit in limits)
        self._bounds = (low, high)
        self._seed = seed
        self._goal: np.ndarray | None = None
        self._generators: list[torch.Generator] = []
        self._queue: list[np.ndarray] = []

    def reset(self, goal: Observation) -> None:
        """Take the goals, forget the plan and start the noise anew."""
        if goal.state is None:
            raise ConfigError(
                "OraclePolicy.reset needs the true state of every goal",
                "`goal.state` is None",
                "Pass `Observation(pixels=..., state=...)`",
            )
        self._goal = np.array(goal.state, dtype=np.float64)
        self._generators = [
            torch.Generator().manual_seed(fold_seed(self._seed, row)) for row in range(len(goal))
        ]
        self._queue = []

    def act(self, observation: Observation) -> Float[np.ndarray, "env action"]:
        """Return the next raw action of the plan, planning when it is used up."""
        if self._goal is None or observation.state is None or observation.state.shape != self._goal.shape:
            raise ConfigError(
                "OraclePolicy.act needs one true state for every goal given to `reset`",
                "`reset` was not called"
                if self._goal is None
                else "`observation.state` is missing or differs in shape",
                "Call `reset(goal)` first and pass the states of the same environments",
            )
        if not self._queue:  # a search that fails takes no random numbers
            generators = [torch.Generator().set_state(source.get_state()) for source in self._generators]
            self._queue = self._plan(np.array(observation.state, dtype=np.float64), self._goal, generators)
            self._generators = generators
        action, self._queue = self._queue[0], self._queue[1:]
        return action.copy()

    def _reached(self, states: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Return the states "... state" after all of the actions "... time action"."""
        rollout = getattr(self._dynamics, "rollout", None)
        if rollout is not None:
            return np.array(rollout(states, actions.copy()))
        for step in range(actions.shape[-2]):
            states = np.array(self._dynamics.step(states, actions[..., step, :].copy()))
        return states

    def _plan(
        self, state: np.ndarray, goal: np.ndarray, generators: list[torch.Generator]
    ) -> list[np.ndarray]:
        target = torch.from_numpy(goal)

        def cost(actions: Tensor) -> Tensor:
            raw = actions.double().unflatten(-1, (self._frameskip, self._action_dim)).flatten(2, 3).numpy()
            reached = self._reached(np.repeat(state[:, None], raw.shape[1], axis=1), raw)
            if self._distance is not None:
                apart = np.asarray(self._distance(reached, goal[:, None].copy()), dtype=np.float64)
                return torch.from_numpy(apart).square()
            last = torch.from_numpy(np.asarray(reached, dtype=np.float64))
            return (last - target[:, None]).square().sum(dim=-1)

        plan = self._planner.plan(
            cost,
            batch=state.shape[0],
            action_dim=self._frameskip * self._action_dim,
            bounds=self._bounds,
            generator=generators,
        )
        raw = plan.actions.unflatten(-1, (self._frameskip, self._action_dim)).flatten(1, 2)
        steps = raw.float().numpy()[:, : self._num_executed]
        return [np.ascontiguousarray(steps[:, step]) for step in range(steps.shape[1])]
