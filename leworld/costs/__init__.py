"""Costs turn a model and a goal into `cost(actions)`, the only thing that a planner sees.

A cost holds what is fixed during one search (the encoded frames or the model's state, the goal), so that each
call only rolls the candidates out. Costs ask of a model only `rollout(context, past_actions, actions)`, so
anything that has it can be planned with; of a `WorldModel` that carries a state of its own they ask
`imagine(state, actions)`. Any function from (batch, sample, horizon, action) to (batch, sample) is a cost.
"""

from typing import TYPE_CHECKING

from .._names import room_names
from ..nn import evaluation_mode  # noqa: F401 -- where it lived before
from ._action import ActionCost as ActionCost
from ._combine import EnsembleCost as EnsembleCost
from ._combine import WeightedSum as WeightedSum
from ._constrained import ConstrainedCost as ConstrainedCost
from ._goal import GoalCost as GoalCost
from ._return import ReturnCost as ReturnCost
from ._start import RolloutModel as RolloutModel
from ._surprise import SurpriseCost as SurpriseCost

if not TYPE_CHECKING:
    __getattr__, __dir__ = room_names(__name__)
