"""Tasks: everything that knows one world, so that commands, reports and recipes work in it.

A `Task` makes the environment, draws start and goal pairs, collects episodes and says what counts as reached;
a `StateTask` needs only how states move and look. `register` makes a task known, `task_of` finds that of a
model, `get_task` one by its name. A `Recipe` trains a model of a task from nothing: `LeWMRecipe` in any,
`TwoRoomRecipe` as the shipped model was. `TwoRoomTask` is the task that leworld brings, with
`two_room_pairs`, `two_room_held_out` and `ExpertPolicy`. Environments need the extra `envs` where they are
gymnasium's, recipes the extra `train`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._registry import get_task as get_task
from ._registry import list_tasks as list_tasks
from ._registry import load_task as load_task
from ._registry import register as register
from ._registry import task_of as task_of
from ._smooth_policy import SmoothPolicy as SmoothPolicy
from ._state_task import StateTask as StateTask
from ._task import CollectingPolicy as CollectingPolicy
from ._task import Task as Task
from .tworoom._expert import ExpertPolicy as ExpertPolicy
from .tworoom._held_out import two_room_held_out as two_room_held_out
from .tworoom._pairs import two_room_pairs as two_room_pairs
from .tworoom._task import TwoRoomTask as TwoRoomTask

if TYPE_CHECKING:
    from ._recipe import LeWMRecipe as LeWMRecipe
    from ._recipe import Recipe as Recipe
    from .tworoom._recipe import TwoRoomRecipe as TwoRoomRecipe

_TRAINING = {"LeWMRecipe": "_recipe", "Recipe": "_recipe", "TwoRoomRecipe": "tworoom._recipe"}


def __getattr__(name: str) -> Any:
    if name not in _TRAINING:  # recipes alone need Lightning
        raise AttributeError(f"module 'leworld.tasks' has no attribute {name!r}")
    globals()[name] = getattr(import_module(f".{_TRAINING[name]}", __name__), name)
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({name for name in globals() if not name.startswith("_")} | set(_TRAINING))
