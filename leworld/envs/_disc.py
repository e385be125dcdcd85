"""Which share of each pixel a disc covers, exactly."""

import numpy as np

Array = np.ndarray


def disc_coverage(corner: Array, centres: Array, radius: float, patch: int) -> Array:
    """Return which share of each pixel discs cover, as (picture, row, column), all lengths in pixels.

    Args:
        corner: First pixel (column, row) of each patch, (picture, 2).
        centres: Centres of the discs, (picture, 2).
        radius: Of all discs.
        patch: Pixels per side of the patches.
    """
    edges = corner[:, :, None] + np.arange(patch + 1) - centres[:, :, None]
    edges /= radius
    area = _quadrant_area(edges[:, None, 0, :], edges[:, 1, :, None])
    share = np.diff(np.diff(area, axis=1), axis=2)
    share *= radius**2
    return share


def _quadrant_area(x: Array, y: Array) -> Array:
    r"""Return the area of the unit disc's part left of `x` and above `y` (rows grow downward).

    With $s(t) = \sqrt{1 - t^2}$, $G(x) = \int_{-1}^x s\,dt$, $a = -|y|$, $q = s(a)$ and $x_q$ = x clipped to
    $\pm q$, the part for $y \le 0$ is $G(x_q) - G(-q) + a (x_q + q)$; for $y > 0$ it is $2 G(x)$ less the
    mirrored part.
    """
    x, y = np.clip(x, -1.0, 1.0), np.clip(y, -1.0, 1.0)
    lower = -np.abs(y)
    reach = np.sqrt(1 - lower**2)
    inner = np.minimum(np.maximum(x, -reach), reach)
    part = _half_area(inner) - _half_area(-reach) + lower * (inner + reach)
    return np.where(y <= 0, part, 2 * _half_area(x) - part)


def _half_area(x: Array) -> Array:
    return 0.5 * (x * np.sqrt(1 - x * x) + np.arcsin(x)) + np.pi / 4
