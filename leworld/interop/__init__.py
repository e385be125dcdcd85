"""stable-worldmodel, both ways: our models and planners in it, its costs and models in ours.

`SWMCost` is a model of leworld as that library's solvers, policy and cost evaluators take one, `SWMSolver` is
a planner of leworld as its solver, and `CostableCost` is one of its costs, such as a model of its own, as a
cost for our planners. Its environments become tasks by `leworld.tasks.from_gymnasium`, and its checkpoints
are read by `leworld.load` and written by `leworld.hub.convert`. Nothing of it is imported here: what an
object can do tells which release it is of, the released 0.1.1 or the main branch.
"""

from typing import TYPE_CHECKING

from .._names import room_names
from ._cost import SWMCost as SWMCost
from ._costable import CostableCost as CostableCost
from ._solver import SWMSolver as SWMSolver

if not TYPE_CHECKING:
    __getattr__, __dir__ = room_names(__name__)
