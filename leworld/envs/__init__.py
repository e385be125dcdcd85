"""Environments: worlds with exact physics and pictures. Protocols, data and recipes are in `leworld.tasks`.

`TwoRoomArena` needs numpy only. `TwoRoom` and `TwoRoomVector` follow gymnasium's API and need the extra
`envs`. Importing this room registers `leworld/TwoRoom-v0` where gymnasium is installed (since its version
1.0 gymnasium looks for no plugins by itself).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .._moved import moved
from .tworoom import _registration

if TYPE_CHECKING:
    from .tworoom._arena import TwoRoomArena as TwoRoomArena
    from .tworoom._two_room import TwoRoom as TwoRoom
    from .tworoom._two_room_vector import TwoRoomVector as TwoRoomVector

_HOMES = {
    "TwoRoom": "tworoom._two_room",
    "TwoRoomArena": "tworoom._arena",
    "TwoRoomVector": "tworoom._two_room_vector",
}
_registration.register_if_installed()


def __getattr__(name: str) -> Any:
    if name == "ExpertPolicy":
        return moved(name, old=__name__, new="leworld.tasks")
    if name not in _HOMES:
        raise AttributeError(f"module 'leworld.envs' has no attribute {name!r}")
    if name in ("TwoRoom", "TwoRoomVector"):
        import_module("leworld._checks").require("gymnasium", extra="envs", purpose=name)
    globals()[name] = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    return globals()[name]


def __dir__() -> list[str]:
    return sorted(_HOMES)
