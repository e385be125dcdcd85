"""Protocols that judge a world model, each with a result that prints as a table and saves as JSON.

`goal_reaching` plays policies on pairs of start and goal (`GoalPairs`); `two_room_pairs` and
`trajectory_pairs` draw the pairs of the known protocols, and `OraclePolicy` shows what the planner could
reach with a perfect model. `probe_states` and `metric_monotonicity` look at the embeddings themselves.
"""

from ._environment import GoalEnvironment as GoalEnvironment
from ._goal_reaching import goal_reaching as goal_reaching
from ._held_out import two_room_held_out as two_room_held_out
from ._monotonicity import metric_monotonicity as metric_monotonicity
from ._oracle import Dynamics as Dynamics
from ._oracle import OraclePolicy as OraclePolicy
from ._outcome import PolicyOutcome as PolicyOutcome
from ._pairs import GoalPairs as GoalPairs
from ._recording import Recording as Recording
from ._result import GoalReachingResult as GoalReachingResult
from ._state_probe import probe_states as probe_states
from ._trajectory_pairs import trajectory_pairs as trajectory_pairs
from ._two_room_pairs import two_room_pairs as two_room_pairs
