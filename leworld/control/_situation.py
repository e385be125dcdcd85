"""What a policy knows when it plans, for costs and proposals of one's own."""

from dataclasses import dataclass
from typing import Any, final

from jaxtyping import Float
from torch import Tensor

from .._typing import shapechecked
from ..costs import GoalCost
from ..errors import ConfigError
from ..models import WorldModel


@final
@dataclass(frozen=True, eq=False)
class Situation:
    """The present of some environments, handed to `MPCPolicy`'s `cost` and `propose` before each search.

    Attributes:
        model: The world model.
        state: Its state of these environments, as `observe` made it; `model.imagine(state, actions)` rolls
            out from there.
        latents: `model.present(state)`: latents of the present moment.
        goal: Latents of the goals, or None without.
        horizon: Blocks to plan.
        former: The rest of the former plan, continued with zeros, and behind it what else that search kept;
            None at the first search of these environments.
        environments: Their numbers, in the order of the rows.

    Example:
        ```python
        import torch
        from leworld.control import MPCPolicy
        from leworld.planners import CEMPlanner

        def cost(situation):  # stay close to the origin of the latent space, whatever the goal
            return lambda actions: situation.model.imagine(situation.state, actions).square().mean((2, 3))

        make = lambda model: MPCPolicy(model, CEMPlanner(), cost=cost)
        ```
    """

    model: WorldModel
    state: Any
    latents: Float[Tensor, " env *latent"]
    goal: Float[Tensor, " env *latent"] | None
    horizon: int
    former: Float[Tensor, "env guess horizon action"] | None
    environments: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.environments)

    def goal_cost(self, **options: Any) -> GoalCost:
        """Return the `GoalCost` of these environments' goals; `options` are its own.

        Raises:
            ConfigError: If there is no goal.
        """
        if self.goal is None:
            raise ConfigError(
                "A goal cost needs goals",
                "the policy was reset without any",
                "Call `reset(goal)`, or pass `cost=` to the policy",
            )
        return GoalCost(self.model, self.goal, state=self.state, **options)


@shapechecked
def goal_cost(situation: Situation) -> GoalCost:
    """Return LeWorldModel's planning cost: the distance of the last imagined latent to the goal's.

    Args:
        situation: What the policy knows.

    Raises:
        ConfigError: If there is no goal.

    Example:
        ```python
        from leworld.control import MPCPolicy, goal_cost
        from leworld.planners import CEMPlanner

        make = lambda model: MPCPolicy(model, CEMPlanner(), cost=goal_cost)  # the default
        ```
    """
    return situation.goal_cost()


@shapechecked
def former_plan(situation: Situation) -> Tensor | None:
    """Propose the rest of the former plan, continued with zeros, and the elites that the planner kept.

    Args:
        situation: What the policy knows.

    Returns:
        (env, guess, horizon, action), or None at the first search.

    Example:
        ```python
        from leworld.control import MPCPolicy, former_plan
        from leworld.planners import CEMPlanner

        make = lambda model: MPCPolicy(model, CEMPlanner(), propose=former_plan)  # the default
        ```
    """
    return situation.former
