"""An arm of two links, seen from the side: its exact motion and its pictures. Needs numpy only."""

from typing import ClassVar, final

import numpy as np
from jaxtyping import Float, UInt8

from ..._checks import check_float_array, check_number, describe, plain_numbers
from ...errors import ShapeError

Array = np.ndarray

_FLOOR, _UPPER, _LOWER = (255.0, 255.0, 255.0), (30.0, 60.0, 200.0), (220.0, 40.0, 30.0)  # colours
_LENGTHS = (0.22, 0.24)  # of the links, as shares of the picture's side
_WIDTHS = (0.05, 0.04)  # half of each link's thickness
_SPEED = 0.06
_ROWS = 64  # pictures a pass: what it works on stays in the processor's cache


@final
class TwoLinkArm:
    r"""An arm of two links that turn without end, fixed in the middle of the picture.

    A light stand-in for DM Control's Reacher: no torques, no inertia and no collisions. A state holds two
    angles in radians, each in $[-\pi, \pi)$: that of the shoulder, the upper link's angle to the x-axis
    (clockwise in the picture, as y grows downward), and that of the elbow, the lower link's angle to the
    upper one. An action is the velocity of each joint, clipped to [-1, 1]; one step turns a joint by up to
    0.06 rad. The object holds no state: states go in, states come out.

    Raises:
        ShapeError: The last axis of states or actions is not 2.
        NonFiniteError: A state or an action is NaN or infinite.

    Numerics: float32 and float64 are computed in their own precision. Pictures are drawn in float32.

    Source: own; after the task Reacher of Tassa et al., "DeepMind Control Suite", 2018, arXiv:1801.00690,
    which LeWorldModel (Maes et al., 2026, arXiv:2603.19312) plans in.

    Example:
        ```python
        import numpy as np
        from leworld.envs import TwoLinkArm

        arm = TwoLinkArm()
        state = np.array([0.0, np.pi - 0.01])
        state = arm.step(state, np.array([0.5, 1.0]))
        assert np.allclose(state, [0.03, 0.05 - np.pi])  # the elbow has passed half a turn
        assert arm.render(state, 64).shape == (64, 64, 3)
        ```
    """

    speed: ClassVar[float] = _SPEED

    def step(
        self, states: Float[Array, "*#batch 2"], actions: Float[Array, "*#batch 2"]
    ) -> Float[Array, "*batch 2"]:
        """Return the angles after one step with `actions`. Leading axes broadcast."""
        start = check_float_array("TwoLinkArm.step", "states", states, shape="... 2")
        moves = check_float_array("TwoLinkArm.step", "actions", actions, shape="... 2")
        try:
            np.broadcast_shapes(start.shape, moves.shape)
        except ValueError:
            raise ShapeError(
                "TwoLinkArm.step needs `states` and `actions` whose leading axes broadcast",
                f"`states` is {describe(start)} and `actions` is {describe(moves)}",
                "Give both the same leading axes, or axes of size 1",
            ) from None
        return wrapped(start + _SPEED * np.clip(moves, -1.0, 1.0))

    def distance(
        self, states: Float[Array, "*#batch 2"], goals: Float[Array, "*#batch 2"]
    ) -> Float[Array, "*batch"]:
        """Return how far the joint that is farther off has to turn, in radians, the shorter way round."""
        here = check_float_array("TwoLinkArm.distance", "states", states, shape="... 2").astype(np.float64)
        there = check_float_array("TwoLinkArm.distance", "goals", goals, shape="... 2").astype(np.float64)
        return np.abs(wrapped(here - there)).max(axis=-1)

    @plain_numbers
    def render(
        self, states: Float[Array, "*batch 2"], image_size: int = 64
    ) -> UInt8[Array, "*batch height width 3"]:
        """Return a square RGB picture of each state: a white floor, the upper link blue, the lower one red.

        The lower link lies on top. Edges are smoothed over about a pixel.

        Args:
            states: Angles of shoulder and elbow.
            image_size: Pixels a side, at least 1.
        """
        check_number("TwoLinkArm.render", "image_size", image_size, low=1, integer=True)
        angles = check_float_array("TwoLinkArm.render", "states", states, shape="... 2")
        rows = angles.reshape(-1, 2)
        pictures = np.empty((len(rows), image_size, image_size, 3), np.uint8)
        for first in range(0, len(rows), _ROWS):
            pictures[first : first + _ROWS] = _drawn(rows[first : first + _ROWS], image_size)
        return pictures.reshape(*angles.shape[:-1], image_size, image_size, 3)


def wrapped(angles: Array) -> Array:
    """Bring angles into -pi .. pi."""
    return (angles + np.pi) % (2 * np.pi) - np.pi


def _drawn(states: Array, image_size: int) -> Array:
    """Return pictures (row, height, width, 3) of states (row, 2)."""
    first, second = states[:, 0].astype(np.float32), states.sum(axis=1).astype(np.float32)
    centres = (np.arange(image_size, dtype=np.float32) + 0.5) / image_size - 0.5  # of pixels
    shoulder = np.zeros((len(states), 2), np.float32)
    elbow = np.float32(_LENGTHS[0]) * np.stack([np.cos(first), np.sin(first)], axis=-1)
    behind = _coverage(centres, shoulder, first, link=0)
    front = _coverage(centres, elbow, second, link=1)
    behind *= 1 - front  # what the lower link leaves free of the upper one
    pictures = np.empty((len(states), image_size, image_size, 3), np.uint8)
    for channel, (floor, upper, lower) in enumerate(zip(_FLOOR, _UPPER, _LOWER, strict=True)):
        mixed = behind * np.float32(upper - floor)
        mixed += front * np.float32(lower - floor)
        mixed += np.float32(floor + 0.5)  # rounds
        pictures[..., channel] = mixed
    return pictures


def _coverage(centres: Array, start: Array, angle: Array, *, link: int) -> Array:
    """Return which share of each pixel a link from `start` covers: by the distance from its axis."""
    length, width = np.float32(_LENGTHS[link]), np.float32(_WIDTHS[link])
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    x, y = centres - start[:, :1], centres - start[:, 1:]
    along = (y * sin)[:, :, None] + (x * cos)[:, None, :]
    across = (y * cos)[:, :, None] - (x * sin)[:, None, :]
    along -= np.clip(along, 0, length)  # what lies before the beginning and behind the end
    apart = np.sqrt(along * along + across * across, out=along)
    return np.clip((width - apart) * np.float32(len(centres)) + np.float32(0.5), 0, 1)
