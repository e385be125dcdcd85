"""A search that fits into the operations of another one."""

import copy
import math

from ...errors import ConfigError
from ...evaluation import PlanCost
from ...planners import CEMPlanner


def with_search(planner: CEMPlanner, samples: int, iterations: int) -> CEMPlanner:
    """Return the same planner with other counts, and a tenth of the samples as elites."""
    other = copy.copy(planner)
    other.num_samples, other.num_iterations = samples, iterations
    other.num_elites = min(samples, max(2, samples // 10))
    return other


def fitting_search(budget: int, cost: PlanCost, samples: int, iterations: int) -> tuple[int, int]:
    """Return samples and iterations of a search that takes at most `budget` operations.

    The search has `samples` x `iterations` candidates and costs `cost`. Both counts shrink (or grow) by the
    same factor, iterations are rounded down, and samples fill what is left.

    Raises:
        ConfigError: Not even two candidates fit.
    """
    each = (cost.flops - cost.encode_flops) / (samples * iterations)
    room = (budget - cost.encode_flops) / each
    if room >= samples * iterations and room < samples * iterations + iterations:
        return samples, iterations
    if room < 2:
        raise ConfigError(
            "compare needs a budget of operations in which every model can score two candidates",
            f"a plan of the first model takes {budget:,} operations, a candidate of this one {each:,.0f}",
            "Name the models in another order, or raise the planner's samples",
        )
    rounds = max(1, min(int(room) // 2, math.floor(iterations * math.sqrt(room / (samples * iterations)))))
    return int(room // rounds), rounds
