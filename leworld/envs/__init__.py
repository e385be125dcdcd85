"""Environments: worlds with exact physics and pictures. Protocols, data and recipes are in `leworld.tasks`.

`TwoRoomArena` and `TwoLinkArm` need numpy only. `TwoRoom` and `TwoRoomVector` follow gymnasium's API and need
the extra `envs`. Importing this room registers `leworld/TwoRoom-v0` where gymnasium is installed (since its
version 1.0 gymnasium looks for no plugins by itself).
"""

from typing import TYPE_CHECKING

from .._names import room_names
from .tworoom import _registration

if TYPE_CHECKING:
    from .arm._two_link_arm import TwoLinkArm as TwoLinkArm
    from .tworoom._arena import TwoRoomArena as TwoRoomArena
    from .tworoom._two_room import TwoRoom as TwoRoom
    from .tworoom._two_room_vector import TwoRoomVector as TwoRoomVector
else:
    __getattr__, __dir__ = room_names(
        __name__,
        late={
            "TwoLinkArm": ".arm._two_link_arm",
            "TwoRoom": ".tworoom._two_room",
            "TwoRoomArena": ".tworoom._arena",
            "TwoRoomVector": ".tworoom._two_room_vector",
        },
        moved={"ExpertPolicy": "leworld.tasks"},
    )

_registration.register_if_installed()
