"""What Push-T looks like: its shapes, in units of the published 512 x 512 picture, and its colours."""

import numpy as np

SIZE = 512
BAR = ((-60, 0), (60, 0), (60, 30), (-60, 30))  # of the block, in its own frame
STEM = ((-15, 30), (15, 30), (15, 120), (-15, 120))
OUTLINE = ((-60, 0), (60, 0), (60, 30), (15, 30), (15, 120), (-15, 120), (-15, 30), (-60, 30))
CENTRE_OF_GRAVITY = (0.0, 45.0)  # the mean of both centroids, without weights
MOMENT = 3000.0  # of a block of mass 1: that of two bars, the stem's own was never counted
MIDDLE, REACH = (0.0, 45.9375), 75.6  # the smallest circle around the block
AGENT_RADIUS, AGENT_RING = 15, 4
LINE_RADIUS = 2  # of walls and outlines
WALLS = (((5, 506), (5, 5)), ((5, 5), (506, 5)), ((506, 5), (506, 506)), ((5, 506), (506, 506)))
GOAL_POSE = (256.0, 256.0, np.pi / 4)

# Colours by number, so that a picture can be drawn as numbers first.
FLOOR, WALL, GOAL, FILL, EDGE, INNER, RING = range(7)
COLOURS = (
    (255, 255, 255),
    (211, 211, 211),  # LightGray
    (144, 238, 144),  # LightGreen
    (143, 163, 184),  # LightSlateGray, 1.2 times as light
    (119, 136, 153),  # LightSlateGray
    (78, 126, 255),  # RoyalBlue, 1.2 times as light
    (65, 105, 225),  # RoyalBlue
)


def block_points(points: tuple[tuple[float, float], ...], poses: np.ndarray) -> np.ndarray:
    """Return places (picture, point, 2) of points of the block's frame at `poses` (picture, 3)."""
    x, y = np.array(points, np.float64).T
    cos, sin = np.cos(poses[:, 2:]), np.sin(poses[:, 2:])
    return np.stack([poses[:, :1] + cos * x - sin * y, poses[:, 1:2] + sin * x + cos * y], axis=-1)
