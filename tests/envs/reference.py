"""Slow second opinions on motion and drawing, written from the rules and not from the implementation."""

from itertools import pairwise

import numpy as np

RADIUS, LOW, HIGH, LEFT, RIGHT = 7.0, 21.0, 203.0, 100.0, 124.0


def openings(doors) -> list[tuple[float, float]]:
    """Union of the doors, by sweeping over all their ends."""
    ends = sorted({end for centre, half in doors for end in (centre - half, centre + half)})
    spans: list[tuple[float, float]] = []
    for low, high in pairwise(ends):
        middle = (low + high) / 2
        if any(abs(middle - centre) <= half for centre, half in doors):
            joined = bool(spans) and spans[-1][1] == low
            spans[-1:] = [(spans[-1][0], high)] if joined else [*spans[-1:], (low, high)]
    return spans


def free(doors, x: np.ndarray, y: np.ndarray, *, tolerance: float = 0.0) -> np.ndarray:
    """No part of the bounding square of side 14 overlaps the border or the wall between its openings."""
    inside = (
        (x >= LOW - tolerance) & (x <= HIGH + tolerance) & (y >= LOW - tolerance) & (y <= HIGH + tolerance)
    )
    beside = (x + RADIUS <= 107 + tolerance) | (x - RADIUS >= 117 - tolerance)
    through = np.zeros(np.shape(x), bool)
    for low, high in openings(doors):
        through |= (y - RADIUS >= low - tolerance) & (y + RADIUS <= high + tolerance)
    return inside & (beside | through)


def crawl(doors, positions: np.ndarray, actions: np.ndarray, *, pieces: int = 2000) -> np.ndarray:
    """Move in tiny pieces, first along x, then along y; a piece that would leave the free set is dropped."""
    x, y = (positions[..., axis].astype(np.float64) for axis in (0, 1))
    dx, dy = (5 * np.clip(actions[..., axis].astype(np.float64), -1, 1) / pieces for axis in (0, 1))
    for _ in range(pieces):
        x = np.where(free(doors, x + dx, y, tolerance=1e-6), x + dx, x)
        y = np.where(free(doors, x, y + dy, tolerance=1e-6), y + dy, y)
    return np.stack([x, y], axis=-1)


def supersample(doors, position, image_size: int) -> np.ndarray:
    """Picture (size, size, 3) as floats: the mean over points 1/6 unit apart (sizes that divide 1344)."""
    samples = 1344 // image_size
    points = (np.arange(image_size * samples) + 0.5) / samples * 224 / image_size
    x, y = np.meshgrid(points, points)
    picture = np.full((*x.shape, 3), 255.0)
    depth = np.maximum(np.abs(x - 112), np.abs(y - 112))
    picture[(depth > 98) & (depth <= 101.5)] = 0
    wall = (np.abs(x - 112) <= 5) & (depth <= 98)
    for centre, half in doors:
        wall &= np.abs(y - centre) > half
    picture[wall] = 0
    disc = (x - position[0]) ** 2 + (y - position[1]) ** 2 <= RADIUS**2
    assert not (disc & (picture == 0).all(axis=-1)).any(), "the disc overlaps a wall"
    picture[disc] = (255, 0, 0)
    return picture.reshape(image_size, samples, image_size, samples, 3).mean(axis=(1, 3))


def start_positions(doors, rng: np.random.Generator, count: int) -> np.ndarray:
    """Free float32 positions, most of them at faces, corners, edges and inside passages."""
    passages = [(low + RADIUS, high - RADIUS) for low, high in openings(doors)]
    special_y = [
        LOW,
        HIGH,
        *(end + shift for pair in passages for end in pair for shift in (-3, -1, 0, 1, 3)),
    ]
    special_x = [LOW, HIGH, LEFT, RIGHT, 98, 126, 103, 121, 112]
    chunks: list[np.ndarray] = []
    while sum(map(len, chunks)) < count:
        draws = rng.uniform(LOW, HIGH, (4 * count, 2))
        near = rng.random((4 * count, 2)) < 0.6
        special = np.stack([rng.choice(special_x, 4 * count), rng.choice(special_y, 4 * count)], axis=-1)
        special = special + rng.choice([0, 1e-5, -1e-5, 0.7, -0.7], (4 * count, 2))
        points = np.where(near, special, draws).astype(np.float32)
        chunks.append(points[free(doors, *points.T.astype(np.float64))])
    return np.concatenate(chunks)[:count]


def adversarial_actions(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Float32 actions: uniform ones, extremes, zeros of both signs, tiny and huge ones."""
    extremes = np.array([0.0, -0.0, 1.0, -1.0, 1e-7, -1e-7, 1e-38, 5.0, -1e30, 0.2, -0.2], np.float32)
    uniform = rng.uniform(-1.2, 1.2, (*shape, 2)).astype(np.float32)
    return np.where(rng.random((*shape, 2)) < 0.5, rng.choice(extremes, (*shape, 2)), uniform)
