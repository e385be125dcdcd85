"""One step of motion in the arena, solved exactly and for many agents at once."""

import numpy as np

from ._geometry import HIGH, LEFT_FACE, LOW, RIGHT_FACE, SPEED, Interval, between_faces

Array = np.ndarray


def move(passages: tuple[Interval, ...], positions: Array, actions: Array) -> Array:
    """Return the positions after one step. Every start must be free; so is every result.

    One step is shorter than the wall is deep, so an agent meets at most one side of the wall, and it can only
    be stopped by it where its unhindered end, or its start, lies between the wall's two faces.
    """
    shift = SPEED * np.clip(actions, -1.0, 1.0)
    end = np.clip(positions + shift, LOW, HIGH)
    start_x = np.broadcast_to(positions[..., 0], end.shape[:-1])
    at_wall = between_faces(start_x) | between_faces(end[..., 0])
    if at_wall.any():
        start = np.broadcast_to(positions, end.shape)[at_wall].astype(end.dtype, copy=False)
        step = np.broadcast_to(shift, end.shape)[at_wall].astype(end.dtype, copy=False)
        with np.errstate(over="ignore"):  # a tiny step reaches a face in infinite time, which is then clipped
            end[at_wall] = _move_at_wall(passages, start, step)
    return end


def _move_at_wall(passages: tuple[Interval, ...], start: Array, step: Array) -> Array:
    """Move agents (rows) that start in a passage or whose straight way leads between the faces."""
    x, y, dx, dy = start[:, 0], start[:, 1], step[:, 0], step[:, 1]
    kind = x.dtype.type
    zero, one = kind(0), kind(1)
    face_in = np.where(dx > 0, kind(LEFT_FACE), kind(RIGHT_FACE))
    face_out = np.where(dx > 0, kind(RIGHT_FACE), kind(LEFT_FACE))
    inside = between_faces(x)
    speed_x = np.where(dx == 0, one, dx)
    speed_y = np.where(dy == 0, one, dy)
    free_y = np.clip(y + dy, LOW, HIGH)
    end_x = np.where(inside, x + dx, face_in)  # outside: held by the face, unless a passage opens below
    end_y = free_y.copy()
    # Share of the step that passes before an agent outside meets the face, and where it then is.
    meeting = np.clip((face_in - x) / speed_x, zero, one)
    meeting_y = np.clip(y + dy * meeting, LOW, HIGH)
    # Share of the step that passes before an agent inside leaves its passage at the other face.
    leaving = np.where(dx == 0, one, np.clip((face_out - x) / speed_x, zero, one))
    # Passages lie more than a step apart (a passage is two radii narrower than its opening): one applies.
    for passage in passages:
        low, high = kind(passage[0]), kind(passage[1])
        held = inside & (y >= low) & (y <= high)
        leaving_y = np.clip(y + dy * leaving, low, high)
        end_y = np.where(held, leaving_y + dy * (one - leaving), end_y)
        # Still between the faces: the passage's sides hold it to the end of the step.
        still = held & between_faces(end_x)
        # An agent outside enters where it meets the face, or where it slides along the face to the opening.
        straight = (meeting_y >= low) & (meeting_y <= high)
        sliding = np.where(dy > 0, (meeting_y < low) & (free_y >= low), (meeting_y > high) & (free_y <= high))
        entering = ~inside & (straight | sliding)
        edge = np.where(dy > 0, low, high)
        entry = np.clip((edge - y) / speed_y, meeting, one)
        end_x = np.where(entering, np.where(straight, x + dx, face_in + dx * (one - entry)), end_x)
        end_y = np.where(still | entering, np.clip(y + dy, low, high), end_y)
    return np.stack([end_x, np.clip(end_y, LOW, HIGH)], axis=-1)
