"""Policies: from what an agent sees to what it does, for a batch of environments at once.

`MPCPolicy` joins a model and a planner into a receding-horizon controller, `PolicyProposals` gives it guesses
to begin with, and `RecordedSubgoals` leads it to goals that lie several plans away; `InversePolicy` asks a
small network instead of searching, and `ActorPolicy` a policy that learned one task; `RandomPolicy` is the
baseline that every result is shown beside. All speak raw action units and numpy, as environments do.
"""

from typing import TYPE_CHECKING

from .._names import room_names
from ..data import Observation  # noqa: F401 -- where it lived before
from ._action_limits import check_choices as check_choices
from ._action_limits import limit_arrays as limit_arrays
from ._actor_policy import ActorPolicy as ActorPolicy
from ._decision import Decision as Decision
from ._inverse_model import GoalConditionedInverseModel as GoalConditionedInverseModel
from ._inverse_policy import InversePolicy as InversePolicy
from ._mpc import MPCPolicy as MPCPolicy
from ._policy import Policy as Policy
from ._policy_proposals import PolicyProposals as PolicyProposals
from ._random_policy import RandomPolicy as RandomPolicy
from ._recorded_subgoals import RecordedSubgoals as RecordedSubgoals
from ._recorded_subgoals import Subgoals as Subgoals
from ._situation import Situation as Situation
from ._situation import former_plan as former_plan
from ._situation import goal_cost as goal_cost
from ._state_goal import Goal as Goal
from ._state_goal import StateGoal as StateGoal

if not TYPE_CHECKING:
    __getattr__, __dir__ = room_names(__name__)
