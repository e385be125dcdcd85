"""leworld: small composable building blocks for LeWorldModel-style world models.

Everything is imported on first use, so `import leworld` costs little. The headline names below are also
reachable from their rooms, for example `leworld.regularizers.SIGReg`.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
_ROOMS = (
    "cli",
    "control",
    "costs",
    "data",
    "decoders",
    "encoders",
    "envs",
    "errors",
    "evaluation",
    "hub",
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
__all__ = sorted([*_HEADLINE, *_ROOMS])  # pyright: ignore[reportUnsupportedDunderAll] -- resolved by __getattr__


def __getattr__(name: str) -> Any:
    if name in _HEADLINE:
        value = getattr(import_module(f".{_HEADLINE[name]}", __name__), name)
    elif name in _ROOMS:
        value = import_module(f".{name}", __name__)
    elif name == "__version__":
        value = version("leworld")
    else:
        raise AttributeError(f"module 'leworld' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
