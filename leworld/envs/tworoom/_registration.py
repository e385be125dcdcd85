"""The gymnasium ids of this room. Imports neither gymnasium nor torch by itself."""

TWO_ROOM = "leworld/TwoRoom-v0"


def register_if_installed() -> None:
    """Add this room's environments to gymnasium's registry; without gymnasium, or a second time, do nothing.

    The classes are given by name, so they are imported when the first environment is made.
    """
    try:
        from gymnasium.envs import registration
    except ImportError:
        return
    if TWO_ROOM not in registration.registry:
        registration.register(
            id=TWO_ROOM,
            entry_point="leworld.envs.tworoom._two_room:TwoRoom",
            vector_entry_point="leworld.envs.tworoom._two_room_vector:TwoRoomVector",
            max_episode_steps=100,
        )
