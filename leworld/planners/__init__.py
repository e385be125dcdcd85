"""Planners search for the action sequence of lowest cost. They see `cost(actions)` and nothing else.

`plan` owns the only loop; a planner defines `init` and `step`. Candidates reach the cost through an
`Evaluator`, which keeps them inside the bounds, ranks NaN last and remembers the best, and every row draws
its noise from a seed of its own, so that what a row gets never depends on its neighbours.
"""

from typing import TYPE_CHECKING

from .._names import room_names
from ._categorical_cem import CategoricalCEMPlanner as CategoricalCEMPlanner
from ._cem import CEMPlanner as CEMPlanner
from ._cmaes import CMAESPlanner as CMAESPlanner
from ._evaluator import Evaluated as Evaluated
from ._evaluator import Evaluator as Evaluator
from ._gradient import GradientPlanner as GradientPlanner
from ._grasp import GRASPPlanner as GRASPPlanner
from ._icem import ICEMPlanner as ICEMPlanner
from ._lagrangian import LagrangianPlanner as LagrangianPlanner
from ._lifted_cost import LiftedCost as LiftedCost
from ._mppi import MPPIPlanner as MPPIPlanner
from ._outcome import Outcome as Outcome
from ._over_ranks import OverRanks as OverRanks
from ._plan import Plan as Plan
from ._plan import Trace as Trace
from ._planner import Planner as Planner
from ._planner import plan as plan
from ._problem import Problem as Problem
from ._random_shooting import RandomShootingPlanner as RandomShootingPlanner
from ._search_state import SearchState as SearchState
from ._warm_start import WarmStart as WarmStart
from ._wrappers import BestSoFar as BestSoFar
from ._wrappers import KeepGuesses as KeepGuesses
from ._wrappers import Refine as Refine

if not TYPE_CHECKING:
    __getattr__, __dir__ = room_names(__name__)
