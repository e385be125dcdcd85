"""Environments: worlds with exact physics and pictures. Protocols, data and recipes are in `leworld.tasks`.

`TwoRoomArena`, `TwoLinkArm`, `PushTDrawing` and `PushTSuccess` need numpy only, `PushTArena` pymunk as soon
as something moves. Environments follow gymnasium's API: `TwoRoom` and `TwoRoomVector` need the extra `envs`,
`PushT` and `PushTVector` the extra `pusht` (gymnasium and pymunk). Importing this room registers
`leworld/TwoRoom-v0` and `leworld/PushT-v0` where gymnasium is installed (since its version 1.0 gymnasium
looks for no plugins by itself).
"""

from typing import TYPE_CHECKING

from .._names import room_names
from . import _registration

if TYPE_CHECKING:
    from .arm._two_link_arm import TwoLinkArm as TwoLinkArm
    from .pusht._arena import PushTArena as PushTArena
    from .pusht._drawing import PushTDrawing as PushTDrawing
    from .pusht._push_t import PushT as PushT
    from .pusht._push_t_vector import PushTVector as PushTVector
    from .pusht._success import PushTSuccess as PushTSuccess
    from .tworoom._arena import TwoRoomArena as TwoRoomArena
    from .tworoom._two_room import TwoRoom as TwoRoom
    from .tworoom._two_room_vector import TwoRoomVector as TwoRoomVector
else:
    __getattr__, __dir__ = room_names(
        __name__,
        late={
            "PushTArena": ".pusht._arena",
            "PushT": ".pusht._push_t",
            "PushTDrawing": ".pusht._drawing",
            "PushTSuccess": ".pusht._success",
            "PushTVector": ".pusht._push_t_vector",
            "TwoLinkArm": ".arm._two_link_arm",
            "TwoRoom": ".tworoom._two_room",
            "TwoRoomArena": ".tworoom._arena",
            "TwoRoomVector": ".tworoom._two_room_vector",
        },
        moved={"ExpertPolicy": "leworld.tasks"},
    )

_registration.register_if_installed()
