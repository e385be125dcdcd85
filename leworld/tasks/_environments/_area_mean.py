"""Pictures made smaller without aliasing."""

from functools import lru_cache

import numpy as np

Shares = tuple[np.ndarray, np.ndarray]


def area_mean(picture: np.ndarray, size: int) -> np.ndarray:
    """Resize uint8 (height, width, 3) to (size, size, 3): each pixel is the mean of the area that it covers.

    Pixels at a border count by the share of them that lies inside, so nothing is lost whatever the ratio. A
    picture that is not square is stretched. Means are rounded to the nearest number. A smaller picture grows
    by the same rule, its pixels becoming squares.
    """
    if picture.shape[:2] == (size, size):
        return np.array(picture)
    rows = _reduce(picture.reshape(len(picture), -1), size)
    columns = rows.reshape(size, *picture.shape[1:]).transpose(1, 0, 2)
    mean = _reduce(columns.reshape(len(columns), -1), size).reshape(size, size, 3).transpose(1, 0, 2)
    return np.ascontiguousarray((mean + np.float32(0.5)).astype(np.uint8))


def _reduce(values: np.ndarray, size: int) -> np.ndarray:
    """Return the area means (size, column) of the first axis, float32."""
    indices, weights = _shares(len(values), size)
    total = np.zeros((size, values.shape[1]), np.float32)
    for index, weight in zip(indices, weights, strict=True):
        total += weight[:, None] * values[index]
    return total


@lru_cache(maxsize=64)
def _shares(length: int, size: int) -> Shares:
    """For each result, which elements it covers and which share of it each fills: both (element, result)."""
    edges = np.arange(size + 1) * (length / size)
    first = np.floor(edges[:-1]).astype(np.int64)
    places = first + np.arange(int(np.ceil(length / size)) + 1)[:, None]
    inside = np.minimum(places + 1, edges[1:]) - np.maximum(places, edges[:-1])
    weights = np.clip(inside, 0.0, None) * (size / length)
    return np.minimum(places, length - 1), weights.astype(np.float32)
