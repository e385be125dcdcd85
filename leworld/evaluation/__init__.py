"""Protocols that judge a world model, each with a result that prints as a table and saves as JSON.

`goal_reaching` plays policies on pairs of start and goal (`GoalPairs`); `two_room_pairs` and
`trajectory_pairs` draw the pairs of the known protocols, and `OraclePolicy` shows what the planner could
reach with a perfect model. `probing` tells what the embedding knows (`probe_states` for one column),
`surprise` whether the model notices impossible events (`perturb` makes them, `SurpriseMonitor` watches a
running robot), `open_loop` how far it can imagine, and `metric_monotonicity` whether its distances lead to
goals. `imagined_rollouts` draws what it imagines, and `latent_map` shows its embeddings on a plane.
"""

from ._alarm_level import AlarmLevel as AlarmLevel
from ._environment import GoalEnvironment as GoalEnvironment
from ._goal_reaching import goal_reaching as goal_reaching
from ._held_out import two_room_held_out as two_room_held_out
from ._imagined import imagined_rollouts as imagined_rollouts
from ._imagined_result import ImaginedRollouts as ImaginedRollouts
from ._latent_map_result import LatentMap as LatentMap
from ._latent_maps import latent_map as latent_map
from ._monitor import SurpriseMonitor as SurpriseMonitor
from ._monitor import SurpriseReading as SurpriseReading
from ._monotonicity import metric_monotonicity as metric_monotonicity
from ._open_loop import OpenLoopResult as OpenLoopResult
from ._open_loop import open_loop as open_loop
from ._oracle import Dynamics as Dynamics
from ._oracle import OraclePolicy as OraclePolicy
from ._outcome import PolicyOutcome as PolicyOutcome
from ._pairs import GoalPairs as GoalPairs
from ._perturb import Perturbed as Perturbed
from ._perturb import perturb as perturb
from ._prediction_errors import prediction_errors as prediction_errors
from ._probe_row import ProbeRow as ProbeRow
from ._probing import probing as probing
from ._probing_result import ProbingResult as ProbingResult
from ._quantity import Quantity as Quantity
from ._recording import Recording as Recording
from ._result import GoalReachingResult as GoalReachingResult
from ._state_probe import probe_states as probe_states
from ._state_world import StateWorld as StateWorld
from ._surprise import surprise as surprise
from ._surprise_result import SurpriseResult as SurpriseResult
from ._surprise_result import SurpriseRow as SurpriseRow
from ._trajectory_pairs import trajectory_pairs as trajectory_pairs
from ._two_room_pairs import two_room_pairs as two_room_pairs
