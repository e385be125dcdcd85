"""What a model predictive controller reports about one planning call."""

from dataclasses import dataclass
from typing import final

from jaxtyping import Float
from torch import Tensor

from ..planners import Plan


@final
@dataclass(frozen=True)
class Decision:
    """One planning call of a policy, for logs and plots.

    Attributes:
        step: Environment step at which it was made, counted from the last full reset.
        environments: For which environments, in the order of the plan's rows.
        plan: The plan with its costs, outcomes and trace, in normalised action blocks.
        milliseconds: Wall-clock time of the planning call, encoding not included.
        surprise: How far, for each of these environments, the newest real frame's embedding lies from what
            the model predicted for it one block earlier: the squared distance, summed over the embedding, in
            the units of `GoalCost`'s default. NaN where no frame came before. It measures the model's error
            on what did happen, and says nothing about the frames that the plan imagines.

    Example:
        ```python
        import torch
        from leworld.control import Decision
        from leworld.planners import CEMPlanner

        plan = CEMPlanner(horizon=1).plan(lambda a: a.square().sum((2, 3)), batch=2, action_dim=1)
        decision = Decision(0, (3, 5), plan, milliseconds=1.5, surprise=torch.tensor([0.1, 0.2]))
        assert len(decision.cost) == len(decision.spread) == len(decision.environments)
        ```
    """

    step: int
    environments: tuple[int, ...]
    plan: Plan
    milliseconds: float
    surprise: Float[Tensor, " env"]

    @property
    def cost(self) -> Float[Tensor, " env"]:
        """The cost of each environment's plan; NaN where no cost was finite."""
        return self.plan.cost

    @property
    def spread(self) -> Float[Tensor, " env"]:
        """The planner's spread after its last iteration: small when the search has settled."""
        return self.plan.trace.std[:, -1]
