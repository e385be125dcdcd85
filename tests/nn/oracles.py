"""Slow and plain definitions of the layers, in numpy float64, to compare with."""

import math

import numpy as np


def softmax(scores: np.ndarray) -> np.ndarray:
    weights = np.exp(scores - scores.max())
    return weights / weights.sum()


def attention(query: np.ndarray, key: np.ndarray, value: np.ndarray, *, causal: bool) -> np.ndarray:
    """One head of one sequence, token by token; all arguments are (token, head_dim)."""
    rows = []
    for i in range(len(query)):
        seen = i + 1 if causal else len(key)
        weights = softmax(np.array([query[i] @ key[j] for j in range(seen)]) / math.sqrt(query.shape[1]))
        rows.append(sum(weights[j] * value[j] for j in range(seen)))
    return np.stack(rows)


def gelu(values: np.ndarray) -> np.ndarray:
    return np.vectorize(lambda x: 0.5 * x * (1 + math.erf(x / math.sqrt(2))))(values)


def layer_norm(values: np.ndarray, eps: float) -> np.ndarray:
    centred = values - values.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps)


def cubic(distance: float, a: float = -0.75) -> float:
    """The cubic convolution kernel of Keys, 1981."""
    x = abs(distance)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0


def resample(values: np.ndarray, size: int) -> np.ndarray:
    """Cubic convolution along the first axis, pixel centres at half-integers, edges repeated."""
    native = len(values)
    rows = []
    for i in range(size):
        centre = (i + 0.5) * native / size - 0.5
        base = math.floor(centre)
        taps = range(base - 1, base + 3)
        rows.append(sum(cubic(centre - t) * values[min(max(t, 0), native - 1)] for t in taps))
    return np.stack(rows)


def resample_grid(grid: np.ndarray, height: int, width: int) -> np.ndarray:
    """(row, column, dim) -> (height, width, dim)."""
    return resample(resample(grid, height).transpose(1, 0, 2), width).transpose(1, 0, 2)
