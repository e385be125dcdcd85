"""How the search for a plan ended."""

from enum import Enum
from typing import final


@final
class Outcome(Enum):
    """How the search for one row's plan ended. Expected failures are data, not exceptions.

    - `converged`: the planner's own test says that further iterations would change little.
    - `iteration_limit`: all iterations were spent. Usual for CEM, and no sign of a bad plan.
    - `time_limit`: the time budget ran out; the plan is the best one so far.
    - `non_finite_cost`: every cost of this row was NaN or infinite. The actions are the initial guess and the
      cost is NaN.

    Example:
        ```python
        import torch
        from leworld.planners import CEMPlanner, Outcome

        planner = CEMPlanner(horizon=2, num_samples=32, num_elites=4, num_iterations=2)
        plan = planner.plan(lambda actions: actions.sum((2, 3)) * float("nan"), batch=1, action_dim=3)
        assert plan.outcome == (Outcome.non_finite_cost,)
        ```
    """

    converged = "converged"
    iteration_limit = "iteration_limit"
    time_limit = "time_limit"
    non_finite_cost = "non_finite_cost"
