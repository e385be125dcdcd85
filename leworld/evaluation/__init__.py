"""Protocols that judge a world model, each with a result that prints as a table and saves as JSON.

`goal_reaching` plays policies on pairs of start and goal (`GoalPairs`); `trajectory_pairs` draws pairs from
recorded episodes, a task of `leworld.tasks` those of its own protocols, and `OraclePolicy` shows what the
planner could reach with a perfect model. `probing` tells what the embedding knows (`probe_states` for one
column), `surprise` whether the model notices impossible events (`perturb` makes them, `SurpriseMonitor`
watches a running robot), `open_loop` how far it can imagine, and `metric_monotonicity` whether its distances
lead to goals. `imagined_rollouts` draws what it imagines, and `latent_map` shows its embeddings on a plane.
`diagnose` looks for what losses do not show, `plan_agreement` whether planning finds what was recorded, and
`plan_cost` counts what a search takes. Every result is a `Result`.
"""

from typing import TYPE_CHECKING

from .._names import room_names
from ._comparison._plan_cost import PlanCost as PlanCost
from ._comparison._plan_cost import decision_cost as decision_cost
from ._comparison._plan_cost import plan_cost as plan_cost
from ._comparison._result import ComparisonResult as ComparisonResult
from ._comparison._row import ComparisonRow as ComparisonRow
from ._diagnosis._measure import diagnose as diagnose
from ._diagnosis._result import DiagnosisResult as DiagnosisResult
from ._diagnosis._result import PartRow as PartRow
from ._frame_latents import FrameLatents as FrameLatents
from ._frame_latents import frame_latents as frame_latents
from ._goal_reaching._backdrop import Backdrop as Backdrop
from ._goal_reaching._environment import GoalEnvironment as GoalEnvironment
from ._goal_reaching._goal_steps import GoalSteps as GoalSteps
from ._goal_reaching._monotonicity import metric_monotonicity as metric_monotonicity
from ._goal_reaching._oracle import Dynamics as Dynamics
from ._goal_reaching._oracle import OraclePolicy as OraclePolicy
from ._goal_reaching._outcome import PolicyOutcome as PolicyOutcome
from ._goal_reaching._pairs import GoalPairs as GoalPairs
from ._goal_reaching._play import goal_reaching as goal_reaching
from ._goal_reaching._recording import Recording as Recording
from ._goal_reaching._result import GoalReachingResult as GoalReachingResult
from ._goal_reaching._state_radius import StateRadius as StateRadius
from ._goal_reaching._success import Success as Success
from ._goal_reaching._trajectory_pairs import trajectory_pairs as trajectory_pairs
from ._imagination._map import latent_map as latent_map
from ._imagination._map_result import LatentMap as LatentMap
from ._imagination._open_loop import OpenLoopResult as OpenLoopResult
from ._imagination._open_loop import open_loop as open_loop
from ._imagination._rollouts import imagined_rollouts as imagined_rollouts
from ._imagination._rollouts_result import ImaginedRollouts as ImaginedRollouts
from ._probing._measure import probing as probing
from ._probing._probe_row import ProbeRow as ProbeRow
from ._probing._quantity import Quantity as Quantity
from ._probing._quantity import recorded_quantities as recorded_quantities
from ._probing._result import ProbingResult as ProbingResult
from ._probing._state_probe import probe_states as probe_states
from ._result import Result as Result
from ._state_world import StateWorld as StateWorld
from ._surprise._alarm_level import AlarmLevel as AlarmLevel
from ._surprise._measure import surprise as surprise
from ._surprise._monitor import SurpriseMonitor as SurpriseMonitor
from ._surprise._monitor import SurpriseReading as SurpriseReading
from ._surprise._perturb import Perturbed as Perturbed
from ._surprise._perturb import perturb as perturb
from ._surprise._prediction_errors import prediction_errors as prediction_errors
from ._surprise._result import SurpriseResult as SurpriseResult
from ._surprise._result import SurpriseRow as SurpriseRow
from ._training_overlap import TrainingOverlap as TrainingOverlap
from ._training_overlap import training_overlap as training_overlap
from ._tuning._agreement import PlanAgreement as PlanAgreement
from ._tuning._agreement import plan_agreement as plan_agreement
from ._tuning._result import TuningResult as TuningResult
from ._tuning._row import TuningRow as TuningRow

if not TYPE_CHECKING:
    __getattr__, __dir__ = room_names(
        __name__, moved=dict.fromkeys(("two_room_held_out", "two_room_pairs"), "leworld.tasks")
    )
