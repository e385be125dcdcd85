"""Episodes of TwoRoom that no model of ours was trained on."""

from ..._checks import check_number, plain_numbers
from ..._random import fold_seed
from ...data import Episodes, collect
from ...envs import TwoRoomArena
from ._expert import ExpertPolicy

_STREAM = 0x48454C44  # "HELD": the stream of seeds that evaluation alone draws from
_NUM_ENVS = 10


@plain_numbers
def two_room_held_out(
    num_episodes: int = 100,
    *,
    arena: TwoRoomArena | None = None,
    image_size: int = 64,
    seed: int = 0,
    progress: bool = False,
) -> Episodes:
    """Collect TwoRoom episodes for evaluation, from seeds that no training set uses.

    They come from the noisy `ExpertPolicy`, and `seed` is first mixed with a constant that is used here and
    nowhere else. Training data that was collected with the same seed, or with any other small one, therefore
    starts from other seeds; the chance that two 31-bit seeds coincide after all is about 1e-8. Needs the
    extra `envs`.

    Args:
        num_episodes: Episodes to collect.
        arena: Geometry; default: the arena with its usual door.
        image_size: Side of the pictures in pixels.
        seed: Which episodes are collected.
        progress: Show a progress bar.

    Raises:
        ConfigError: An option out of its range.
        MissingExtraError: gymnasium is not installed.

    Randomness:
        From `seed` only.

    Example:
        ```python
        from leworld.tasks import two_room_held_out

        episodes = two_room_held_out(3, image_size=16)
        assert len(episodes) == 3 and episodes.pixels.shape[1:] == (16, 16, 3)
        ```
    """
    from ...envs import TwoRoomVector

    check_number("two_room_held_out", "num_episodes", num_episodes, low=1, integer=True)
    check_number("two_room_held_out", "image_size", image_size, low=1, integer=True)
    check_number("two_room_held_out", "seed", seed, low=0, integer=True)
    arena = TwoRoomArena() if arena is None else arena
    env = TwoRoomVector(min(_NUM_ENVS, num_episodes), arena.doors, image_size=image_size)
    expert = ExpertPolicy(arena)
    return collect(
        env,
        expert,
        num_episodes=num_episodes,
        seed=fold_seed(seed, _STREAM),
        environment_id="leworld/TwoRoom-v0",
        progress=progress,
    )
