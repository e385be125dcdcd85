"""Environments: the TwoRoom task, its exact physics, and the policy that gathers data in it.

`TwoRoomArena` and `ExpertPolicy` need numpy only. `TwoRoom` and `TwoRoomVector` follow gymnasium's API and
need the extra `envs`. Importing this room registers `leworld/TwoRoom-v0` where gymnasium is installed (since
its version 1.0 gymnasium looks for no plugins by itself).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import _registration

if TYPE_CHECKING:
    from ._arena import TwoRoomArena as TwoRoomArena
    from ._expert import ExpertPolicy as ExpertPolicy
    from ._two_room import TwoRoom as TwoRoom
    from ._two_room_vector import TwoRoomVector as TwoRoomVector

_HOMES = {
    "ExpertPolicy": "_expert",
    "TwoRoom": "_two_room",
    "TwoRoomArena": "_arena",
    "TwoRoomVector": "_two_room_vector",
}
_registration.register_if_installed()


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'leworld.envs' has no attribute {name!r}")
    if name in ("TwoRoom", "TwoRoomVector"):
        import_module("leworld._checks").require("gymnasium", extra="envs", purpose=name)
    globals()[name] = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    return globals()[name]


def __dir__() -> list[str]:
    return sorted(_HOMES)
