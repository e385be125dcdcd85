"""The gymnasium ids of this room. Imports neither gymnasium, pymunk nor torch by itself."""

_WORLDS = {
    "leworld/TwoRoom-v0": ("tworoom._two_room:TwoRoom", "tworoom._two_room_vector:TwoRoomVector"),
    "leworld/PushT-v0": ("pusht._push_t:PushT", "pusht._push_t_vector:PushTVector"),
}


def register_if_installed() -> None:
    """Add this room's environments to gymnasium's registry; without gymnasium, or a second time, do nothing.

    The classes are given by name, so they are imported when the first environment is made.
    """
    try:
        from gymnasium.envs import registration
    except ImportError:
        return
    for world, (single, vector) in _WORLDS.items():
        if world not in registration.registry:
            registration.register(
                id=world,
                entry_point=f"leworld.envs.{single}",
                vector_entry_point=f"leworld.envs.{vector}",
                max_episode_steps=100,
            )
