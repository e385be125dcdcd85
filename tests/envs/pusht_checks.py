"""What any drawing of Push-T must satisfy; wrong ones must fail here."""

import json
import math
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

Paint = Callable[[np.ndarray, int], np.ndarray]  # states and image size to pictures

PUBLISHED = json.loads((Path(__file__).parent / "pusht_published.json").read_text(encoding="utf-8"))
STATES = np.array(PUBLISHED["states"])
GOLDEN = np.array([256, 400, 100, 120, 0.3, 0, 0], np.float64)
COUNTS = {  # of the golden picture at 512
    (255, 255, 255): 237581,
    (211, 211, 211): 10009,
    (144, 238, 144): 6449,
    (143, 163, 184): 5037,
    (119, 136, 153): 2380,
    (78, 126, 255): 368,
    (65, 105, 225): 320,
}
MEANS = {512: (246.7221, 249.6895, 248.2624), 224: (246.5288, 249.5003, 248.0659)}


def check_published(paint: Paint) -> None:
    """Compare with colour counts and means, and with checksums of pictures by pygame and OpenCV."""
    for size, means in MEANS.items():
        picture = paint(GOLDEN[None], size)[0]
        assert np.abs(picture.mean(axis=(0, 1)) - means).max() < 1e-4, size
    colours, counts = np.unique(paint(GOLDEN[None], 512)[0].reshape(-1, 3), axis=0, return_counts=True)
    found = {tuple(colour): int(count) for colour, count in zip(colours.tolist(), counts, strict=True)}
    assert found == COUNTS
    for size in (224, 96, 64):
        drawn = [zlib.crc32(np.ascontiguousarray(one).tobytes()) for one in paint(STATES, size)]
        assert drawn == PUBLISHED["crc32"][str(size)], size


def inside_block(x: np.ndarray, y: np.ndarray, state: tuple[float, ...], grown: float) -> np.ndarray:
    """Say which points lie in one of the block's two rectangles, each grown to all sides."""
    across = math.cos(state[4]) * (x - state[2]) + math.sin(state[4]) * (y - state[3])
    down = math.cos(state[4]) * (y - state[3]) - math.sin(state[4]) * (x - state[2])
    bar = (np.abs(across) <= 60 + grown) & (np.abs(down - 15) <= 15 + grown)
    stem = (np.abs(across) <= 15 + grown) & (np.abs(down - 75) <= 45 + grown)
    return bar | stem


def supersampled(state: np.ndarray, size: int) -> np.ndarray:
    """Return the picture (size, size, 3) as means over points half a unit apart, without a goal."""
    side = 1024 // size
    fine = _at_points(tuple(state.tolist()))
    return fine.reshape(size, side, size, side, 3).mean(axis=(1, 3), dtype=np.float64)


@cache
def _at_points(state: tuple[float, ...]) -> np.ndarray:
    points = (np.arange(1024, dtype=np.float32) + 0.5) / 2
    x, y = np.meshgrid(points, points)
    picture = np.full((1024, 1024, 3), 255, np.uint8)
    picture[inside_block(x - 0.5, y - 0.5, state, 2.4)] = (119, 136, 153)
    picture[inside_block(x - 0.5, y - 0.5, state, -2.4)] = (143, 163, 184)
    distance = np.hypot(x - state[0], y - state[1])
    picture[distance <= 14.8] = (65, 105, 225)
    picture[distance <= 10.8] = (78, 126, 255)
    lines = (np.minimum(x, y) < 8) | (np.maximum(x, y) >= 504)
    picture[lines & (np.minimum(x, y) >= 3) & (np.maximum(x, y) < 509)] = (211, 211, 211)
    return picture


def check_smooth(paint: Paint) -> None:
    """Compare with means over many points of each pixel; `paint` draws without a goal."""
    states = np.array(
        [
            [200.3, 100.2, 300.4, 250.9, 0.0, 0, 0],
            [160.6, 250.1, 200.2, 200.7, 0.7, 0, 0],  # the agent over the block
            [12.0, 300.0, 480.0, 160.0, 2.0, 0, 0],  # both under walls
            [400.0, 495.5, 150.0, 150.0, 5.1, 0, 0],
        ]
    )
    for size in (128, 64, 32, 16):
        got = paint(states, size).astype(np.float64)
        for state, picture in zip(states, got, strict=True):
            error = np.abs(picture - supersampled(state, size))
            assert error.mean() < 0.15, (size, state, error.mean())
            assert error.max() < 45, (size, state, error.max())
    moved = np.repeat(states[:1], 9, axis=0)
    moved[:, 0] += np.arange(9) / 8  # a hundredth of a pixel's width is seen
    drawn = paint(moved, 64).astype(np.int64)
    assert all((drawn[i] != drawn[i + 1]).any() for i in range(8))
