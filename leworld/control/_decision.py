"""What a model predictive controller reports about one planning call."""

from dataclasses import dataclass
from typing import final

from ..planners import Plan


@final
@dataclass(frozen=True)
class Decision:
    """One planning call of a policy, for logs and plots.

    Attributes:
        step: Environment step at which it was made, counted from the last full reset.
        environments: For which environments, in the order of the plan's rows.
        plan: The plan with its costs, outcomes and trace, in normalised action blocks.
        milliseconds: Wall-clock time, encoding not included.

    Example:
        ```python
        from leworld.control import Decision
        from leworld.planners import CEMPlanner

        plan = CEMPlanner(horizon=1).plan(lambda a: a.square().sum((2, 3)), batch=2, action_dim=1)
        decision = Decision(step=0, environments=(3, 5), plan=plan, milliseconds=1.5)
        assert len(decision.plan.cost) == len(decision.environments)
        ```
    """

    step: int
    environments: tuple[int, ...]
    plan: Plan
    milliseconds: float
