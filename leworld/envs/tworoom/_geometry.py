"""The lengths of TwoRoom, in arena units, and what its doors leave open."""

from collections.abc import Iterable

import numpy as np

Interval = tuple[float, float]

SIZE = 224.0
BORDER = 14.0
WALL = 112.0
WALL_THICKNESS = 10.0
RADIUS = 7.0
SPEED = 5.0
SUCCESS_RADIUS = 16.0
DEFAULT_DOORS = ((49.0, 14.0),)

# What bounds the centre of an agent: the borders, and the faces of the wall, moved by its radius.
LOW = BORDER + RADIUS
HIGH = SIZE - BORDER - RADIUS
LEFT_FACE = WALL - WALL_THICKNESS / 2 - RADIUS
RIGHT_FACE = WALL + WALL_THICKNESS / 2 + RADIUS


def merge(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """Return the union of closed intervals as disjoint ones in rising order."""
    merged: list[Interval] = []
    for low, high in sorted(intervals):
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def passage(opening: Interval) -> Interval:
    """Return where the centre of an agent can be in an opening of the wall: low <= y <= high.

    The bounds are rounded inward to float32 numbers, so that a state stays free when it is stored as float32.
    """
    low, high = opening[0] + RADIUS, opening[1] - RADIUS
    first, last = np.float32(low), np.float32(high)
    if float(first) < low:
        first = np.nextafter(first, np.float32(np.inf))
    if float(last) > high:
        last = np.nextafter(last, np.float32(-np.inf))
    return float(first), float(last)


def is_free(positions: np.ndarray, passages: tuple[Interval, ...]) -> np.ndarray:
    """Say of each centre (*batch, 2) whether an agent may stand there."""
    x, y = positions[..., 0], positions[..., 1]
    inside = (x >= LOW) & (x <= HIGH) & (y >= LOW) & (y <= HIGH)
    at_wall = between_faces(x)
    if not at_wall.any():
        return np.asarray(inside)
    in_passage = np.zeros(inside.shape, np.bool_)
    for low, high in passages:
        in_passage |= (y >= low) & (y <= high)
    return np.asarray(inside & (~at_wall | in_passage))


def between_faces(x: np.ndarray) -> np.ndarray:
    """Say of each x whether only a passage can be there."""
    return (x > LEFT_FACE) & (x < RIGHT_FACE)
