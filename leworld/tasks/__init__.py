"""Tasks: everything that knows one world, so that commands, reports and recipes work in it.

A `Task` makes the environment, draws start and goal pairs, collects episodes and says what counts as reached;
a `StateTask` needs only how states move and look, and `from_gymnasium` makes one of an environment that
exists. `register` makes a task known, `task_of` finds that of a model, `get_task` one by its name. A `Recipe`
trains a model of a task from nothing: `LeWMRecipe` in any, `TwoRoomRecipe` and `PushTRecipe` in theirs.
leworld brings the tasks `TwoRoomTask` (with `two_room_pairs`, `two_room_held_out` and `ExpertPolicy`),
`PushTTask` and `ArmTask`; `ReacherTask` and `CubeTask` are further worlds of the published weights. `compare`
trains and measures several models (each a `Contender`) alike; `tune` and `tune_recorded` find lambda;
`with_rewards` gives episodes the rewards of one fixed goal.
Environments need the extra `envs` where they are gymnasium's, `pusht` for Push-T, `mujoco` for Reacher and
Cube; recipes need the extra `train`.
"""

from typing import TYPE_CHECKING

from .._names import room_names
from ._environments._gymnasium import from_gymnasium as from_gymnasium
from ._registry import get_task as get_task
from ._registry import list_tasks as list_tasks
from ._registry import load_task as load_task
from ._registry import register as register
from ._registry import task_of as task_of
from ._rewards import with_rewards as with_rewards
from ._smooth_policy import SmoothPolicy as SmoothPolicy
from ._state_task import StateTask as StateTask
from ._task import CollectingPolicy as CollectingPolicy
from ._task import Task as Task
from .arm._task import ArmTask as ArmTask
from .mujoco._cube import CubeTask as CubeTask
from .mujoco._reacher import ReacherTask as ReacherTask
from .pusht._task import PushTTask as PushTTask
from .tworoom._expert import ExpertPolicy as ExpertPolicy
from .tworoom._held_out import two_room_held_out as two_room_held_out
from .tworoom._pairs import two_room_pairs as two_room_pairs
from .tworoom._task import TwoRoomTask as TwoRoomTask

if TYPE_CHECKING:
    from ._comparison._contender import BuildRequest as BuildRequest
    from ._comparison._contender import Contender as Contender
    from ._comparison._contender import PolicyRequest as PolicyRequest
    from ._comparison._known import get_contender as get_contender
    from ._comparison._known import list_contenders as list_contenders
    from ._comparison._run import compare as compare
    from ._recipe import LeWMRecipe as LeWMRecipe
    from ._recipe import Recipe as Recipe
    from ._recorded_recipe import RecordedRecipe as RecordedRecipe
    from ._tuning._run import tune as tune
    from ._tuning._run import tune_recorded as tune_recorded
    from .pusht._recipe import PushTRecipe as PushTRecipe
    from .tworoom._recipe import TwoRoomRecipe as TwoRoomRecipe
else:  # recipes alone need Lightning
    __getattr__, __dir__ = room_names(
        __name__,
        late={
            "BuildRequest": "._comparison._contender",
            "Contender": "._comparison._contender",
            "PolicyRequest": "._comparison._contender",
            "compare": "._comparison._run",
            "get_contender": "._comparison._known",
            "list_contenders": "._comparison._known",
            "LeWMRecipe": "._recipe",
            "PushTRecipe": ".pusht._recipe",
            "Recipe": "._recipe",
            "RecordedRecipe": "._recorded_recipe",
            "tune": "._tuning._run",
            "tune_recorded": "._tuning._run",
            "TwoRoomRecipe": ".tworoom._recipe",
        },
    )
