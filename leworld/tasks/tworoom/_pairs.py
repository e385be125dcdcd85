"""Starts and goals drawn from the free space of TwoRoom."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from ..._checks import check_choice, check_number, plain_numbers
from ...data import Episodes
from ...envs import TwoRoomArena
from ...errors import ConfigError
from ...evaluation import GoalPairs, GoalSteps, trajectory_pairs

PROTOCOLS = ("trajectory-25", "same-room", "cross-door")
_NEAREST, _FARTHEST = 40.0, 110.0
_AROUND_DOOR = 50.0
_CLEAR_OF_WALL = 12.0  # half the wall's thickness and the agent's radius
_DRAWS = 4096


@plain_numbers
def two_room_pairs(
    protocol: str,
    num_pairs: int = 100,
    *,
    episodes: Episodes | None = None,
    arena: TwoRoomArena | None = None,
    seed: int = 0,
) -> GoalPairs:
    """Draw the start and goal pairs of one of TwoRoom's three protocols.

    | protocol | start and goal | budget |
    |---|---|---|
    | `trajectory-25` | 25 steps apart in a held-out episode, see `trajectory_pairs` | 50 |
    | `same-room` | uniform in one room, 40 to 110 units apart | 50 |
    | `cross-door` | uniform in opposite rooms, both within 50 units of the centre of the same door | 50 |

    In the last two no pair can be solved at the start: same-room goals are more than 16 units away, and
    opposite rooms keep agents at least 24 units apart. The longest way, 110 units along an axis, takes 22
    steps.

    Args:
        protocol: `trajectory-25`, `same-room` or `cross-door`.
        num_pairs: Pairs to draw.
        episodes: Held-out episodes, for `trajectory-25` only; see `two_room_held_out`.
        arena: Geometry, for the other two; default: the arena with its usual door.
        seed: Which pairs are drawn.

    Raises:
        ConfigError: An unknown protocol, `trajectory-25` without episodes, or options out of range.
        DataError: Episodes without enough pairs.

    Randomness:
        From `seed` only.

    Source:
        `trajectory-25` is the protocol of Maes et al., LeWorldModel, version 3, 2026, arXiv 2603.19312. The
        other two are additions that separate distance from passing the door.

    Example:
        ```python
        import numpy as np
        from leworld.tasks import two_room_pairs

        pairs = two_room_pairs("cross-door", 10, seed=3)
        assert ((pairs.start[:, 0] < 112) != (pairs.goal[:, 0] < 112)).all()
        ```
    """
    check_choice("two_room_pairs", "protocol", protocol, PROTOCOLS)
    check_number("two_room_pairs", "num_pairs", num_pairs, low=1, integer=True)
    check_number("two_room_pairs", "seed", seed, low=0, integer=True)
    if protocol == "trajectory-25":
        if episodes is None:
            raise ConfigError(
                "two_room_pairs needs `episodes` for the protocol `trajectory-25`",
                "`episodes` is None",
                "Pass held-out episodes, for example `two_room_held_out(num_pairs)`",
            )
        return trajectory_pairs(episodes, num_pairs, goal_offset=25, budget=50, seed=seed)
    arena = TwoRoomArena() if arena is None else arena
    accept = _same_room(arena) if protocol == "same-room" else _cross_door(arena)
    start, goal = _draw(arena, accept, num_pairs, np.random.default_rng(seed))
    return GoalPairs(
        start=start, goal=goal, protocol=protocol, budget=50, success_radius=float(arena.success_radius)
    )


Accept = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _same_room(arena: TwoRoomArena) -> Accept:
    def accept(start: np.ndarray, goal: np.ndarray) -> np.ndarray:
        apart = _distance(start, goal)
        together = (start[:, 0] < arena.wall) == (goal[:, 0] < arena.wall)
        return together & (apart >= _NEAREST) & (apart <= _FARTHEST)

    return accept


def _cross_door(arena: TwoRoomArena) -> Accept:
    doors = np.array([(arena.wall, centre) for centre, _ in arena.doors])

    def accept(start: np.ndarray, goal: np.ndarray) -> np.ndarray:
        near = (_distance(start[:, None], doors) <= _AROUND_DOOR) & (
            _distance(goal[:, None], doors) <= _AROUND_DOOR
        )
        return near.any(axis=1) & ((start[:, 0] < arena.wall) != (goal[:, 0] < arena.wall))

    return accept


def draw_in_rooms(arena: TwoRoomArena, count: int, generator: np.random.Generator) -> np.ndarray:
    """Draw positions uniformly in the two rooms, clear of the doorway, as float32 (count, 2)."""
    drawn = np.empty((0, 2), dtype=np.float32)
    while len(drawn) < count:
        found = generator.uniform(0, arena.size, size=(2 * count, 2)).astype(np.float32)
        in_a_room = arena.is_free(found) & (np.abs(found[:, 0] - arena.wall) >= _CLEAR_OF_WALL)
        drawn = np.concatenate([drawn, found[in_a_room]])
    return drawn[:count]


def _draw(
    arena: TwoRoomArena, accept: Accept, num_pairs: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    pairs = np.empty((0, 2, 2), dtype=np.float32)
    while len(pairs) < num_pairs:
        drawn = draw_in_rooms(arena, 2 * _DRAWS, generator).reshape(_DRAWS, 2, 2)
        pairs = np.concatenate([pairs, drawn[accept(drawn[:, 0], drawn[:, 1])]])
    return pairs[:num_pairs, 0].copy(), pairs[:num_pairs, 1].copy()


def two_room_steps(
    arena: TwoRoomArena,
    num_steps: int = 2000,
    *,
    step_size: float = 5.0,
    edges: Sequence[float] = (10, 20, 40, 60, 80, 110, 150),
    seed: int = 0,
) -> GoalSteps:
    """Draw steps straight toward goals in the same room, for `metric_monotonicity`.

    Starts and goals are uniform in one room, given that their distance lies in a bin; every bin gets as equal
    a part of `num_steps` as possible.

    Args:
        arena: The arena.
        num_steps: Steps to draw, over all bins.
        step_size: Length of a step in arena units; the default is one action at full speed.
        edges: Borders of the bins of start distance, at least 1 apart, from at least `step_size` to at
            most 150.
        seed: Which starts and goals are drawn.
    """
    owner = "TwoRoomTask.goal_steps"
    check_number(owner, "num_steps", num_steps, low=1, integer=True)
    check_number(owner, "step_size", step_size, low=0, open_low=True)
    check_number(owner, "seed", seed, low=0, integer=True)
    for edge in edges:
        check_number(owner, "edges", edge, low=step_size, high=150)
    borders = tuple(float(edge) for edge in edges)
    if len(borders) < 2 or any(high - low < 1 for low, high in itertools.pairwise(borders)):
        raise ConfigError(
            f"{owner} needs `edges` to hold at least two numbers that increase by 1 or more",
            f"`edges={borders}` was given",
            "Pass for example (10, 20, 40, 80)",
        )
    start, goal = _draw_binned(arena, borders, num_steps, np.random.default_rng(seed))
    apart = _distance(start, goal)
    after = (start + (goal - start) * (step_size / apart)[:, None]).astype(np.float32)
    return GoalSteps(start, after, goal, distance=apart, edges=borders)


def _draw_binned(
    arena: TwoRoomArena, borders: tuple[float, ...], num_steps: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw pairs in one room with equally many in every bin of distance."""
    quota = np.full(len(borders) - 1, num_steps // (len(borders) - 1))
    quota[: num_steps - int(quota.sum())] += 1
    kept: list[np.ndarray] = []
    while quota.sum() > 0:
        drawn = draw_in_rooms(arena, 4096, generator).reshape(-1, 2, 2)
        together = (drawn[:, 0, 0] < arena.wall) == (drawn[:, 1, 0] < arena.wall)
        bins = np.digitize(_distance(drawn[:, 0], drawn[:, 1]), borders) - 1
        for index in range(len(quota)):
            found = drawn[together & (bins == index)][: quota[index]]
            quota[index] -= len(found)
            kept.append(found)
    pairs = np.concatenate(kept)
    return pairs[:, 0], pairs[:, 1]


def _distance(state: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Euclidean distance of each state to its goal, in float64."""
    return np.linalg.norm(state.astype(np.float64) - goal.astype(np.float64), axis=-1)
