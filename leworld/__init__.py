"""leworld: small composable building blocks for LeWorldModel-style world models.

Everything is imported on first use, so `import leworld` costs little. The headline names below are also
reachable from their rooms, for example `leworld.regularizers.SIGReg`.
"""

from typing import TYPE_CHECKING

from ._names import room_names

if TYPE_CHECKING:
    from . import cli as cli
    from . import control as control
    from . import costs as costs
    from . import data as data
    from . import decoders as decoders
    from . import encoders as encoders
    from . import envs as envs
    from . import errors as errors
    from . import evaluation as evaluation
    from . import explorer as explorer
    from . import heads as heads
    from . import hub as hub
    from . import interop as interop
    from . import kernels as kernels
    from . import metrics as metrics
    from . import models as models
    from . import nn as nn
    from . import normality as normality
    from . import planners as planners
    from . import predictors as predictors
    from . import probes as probes
    from . import regularizers as regularizers
    from . import report as report
    from . import serialise as serialise
    from . import tasks as tasks
    from . import training as training
    from .control import MPCPolicy as MPCPolicy
    from .costs import GoalCost as GoalCost
    from .hub import checkpoint_info as checkpoint_info
    from .hub import list_checkpoints as list_checkpoints
    from .hub import load as load
    from .hub import push_to_hub as push_to_hub
    from .hub import save as save
    from .models import LeWM as LeWM
    from .planners import CEMPlanner as CEMPlanner
    from .probes import RidgeProbe as RidgeProbe
    from .regularizers import SIGReg as SIGReg

__version__: str

_HEADLINE = {
    "CEMPlanner": "planners",
    "GoalCost": "costs",
    "LeWM": "models",
    "MPCPolicy": "control",
    "RidgeProbe": "probes",
    "SIGReg": "regularizers",
    "checkpoint_info": "hub",
    "list_checkpoints": "hub",
    "load": "hub",
    "push_to_hub": "hub",
    "save": "hub",
}
ROOMS = (
    "cli",
    "control",
    "costs",
    "data",
    "decoders",
    "encoders",
    "envs",
    "errors",
    "evaluation",
    "explorer",
    "heads",
    "hub",
    "interop",
    "kernels",
    "metrics",
    "models",
    "nn",
    "normality",
    "planners",
    "predictors",
    "probes",
    "regularizers",
    "report",
    "serialise",
    "tasks",
    "training",
)
__all__ = sorted([*_HEADLINE, *ROOMS])  # pyright: ignore[reportUnsupportedDunderAll] -- resolved by __getattr__

if not TYPE_CHECKING:
    _late = {name: f".{room}" for name, room in _HEADLINE.items()} | {room: f".{room}" for room in ROOMS}
    __getattr__ = room_names(__name__, late=_late | {"__version__": "._version"})[0]


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
