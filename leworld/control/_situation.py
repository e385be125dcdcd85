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
        num_plans: How many searches were made for each of them before; none where it is empty.

    Example:
        ```python
        import torch
        from leworld.control import Situation
        from leworld.models import History, WorldModel

        class Line(WorldModel):  # an action moves a point along a line
            history_size, latent_shape, action_dim = 1, (1,), 1

            def _encode(self, observations):
                return observations.mean((2, 3, 4))[..., None]

            def _predict(self, latents, actions):
                return latents + actions

            def _loss(self, batch, generator):
                raise NotImplementedError

        here = torch.tensor([[2.0]])
        state = History(here[:, None], torch.zeros(1, 0, 1))
        situation = Situation(Line(), state, here, goal=None, horizon=3, former=None, environments=(0,))
        far = lambda actions: -situation.model.imagine(situation.state, actions)[:, :, -1, 0]  # a cost
        assert far(torch.ones(1, 1, 3, 1)).item() == -5
        ```
    """

    model: WorldModel
    state: Any
    latents: Float[Tensor, " env *latent"]
    goal: Float[Tensor, " env *latent"] | None
    horizon: int
    former: Float[Tensor, "env guess horizon action"] | None
    environments: tuple[int, ...]
    num_plans: tuple[int, ...] = ()

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
        import inspect
        from leworld.control import MPCPolicy, goal_cost

        assert inspect.signature(MPCPolicy).parameters["cost"].default is goal_cost
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
        import inspect
        from leworld.control import MPCPolicy, former_plan

        assert inspect.signature(MPCPolicy).parameters["propose"].default is former_plan
        ```
    """
    return situation.former
