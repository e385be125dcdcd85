"""The published drawing in whole pixels: which columns a shape covers in each row.

The rules are those of pygame 2 for filled polygons, wide lines and filled circles at whole coordinates, in
closed form and for many shapes at once. All shapes here are convex, so a row meets each in one span.
"""

import numpy as np

from ._figure import LINE_RADIUS

Array = np.ndarray
Spans = tuple[
    Array, Array
]  # first and last column, (*shape, row); the first is beyond the last where none is

_BEYOND = 1 << 14  # any column

# Half the width of each row of a disc's upper half: its columns go from -half to half - 1, its rows from
# -radius to radius - 1.
_DISCS = {
    2: (1, 2),
    11: (3, 5, 6, 8, 8, 9, 10, 10, 11, 11, 11),
    15: (3, 6, 8, 9, 10, 11, 12, 13, 13, 14, 14, 14, 15, 15, 15),
}


def polygon(corners: Array, rows: Array) -> Spans:
    """Return the spans of convex polygons (*shape, corner, 2) at `rows` (*shape, row), all of them integers.

    A row crosses two sides, each at a column that is rounded down; a side ends above its lower corner.
    """
    x, y = np.moveaxis(corners, -1, 0)
    before_x, before_y = np.roll(x, 1, axis=-1), np.roll(y, 1, axis=-1)
    rises = before_y > y
    sides = (np.where(rises, x, before_x), np.where(rises, before_x, x), np.minimum(y, before_y))
    top_x, low_x, top, low = (side[..., None, :] for side in (*sides, np.maximum(y, before_y)))
    row, last = rows[..., None], y.max(axis=-1)[..., None, None]
    crossed = (top < low) & (row >= top) & ((row < low) | ((row == last) & (low == last)))
    at = top_x + (row - top) * (low_x - top_x) // np.maximum(low - top, 1)
    return np.where(crossed, at, _BEYOND).min(axis=-1), np.where(crossed, at, -_BEYOND).max(axis=-1)


def disc(centres: Array, rows: Array, radius: int) -> Spans:
    """Return the spans of discs at `centres` (*shape, 2)."""
    table = np.array([-_BEYOND, *_DISCS[radius], *_DISCS[radius][::-1], -_BEYOND], rows.dtype)
    half = table[np.clip(rows - centres[..., 1:] + (radius + 1), 0, len(table) - 1)]
    return centres[..., :1] - half, centres[..., :1] + half - 1


def line(start: Array, end: Array, rows: Array) -> Spans:
    """Return the spans of lines from `start` to `end` (*shape, 2), 4 pixels wide along their minor axis.

    After `step` pixels along its major axis, of length L, Bresenham's line has gone
    `ceil((step * l - L // 2) / L)` pixels along its minor axis, of length l. A row meets one step of a steep
    line, and a range of steps of a flat one.
    """
    (dx, dy), (sx, sy) = (
        np.split(part, 2, axis=-1) for part in (np.abs(end - start), np.where(end >= start, 1, -1))
    )
    x, along = start[..., :1], (rows - start[..., 1:]) * sy
    centre = x + sx * _ceil(along * dx - dy // 2, dy)
    low, high = np.where(sy > 0, -2, -1), np.where(sy > 0, 1, 2)
    first, last = _first_step(along + low, dx, dy), _first_step(along + high + 1, dx, dy) - 1
    steep = dx <= dy
    met = np.where(steep, (along >= 0) & (along <= dy), first <= last)
    left = np.where(steep, centre - 1, x + np.where(sx > 0, first, -last))
    right = np.where(steep, centre + 2, x + np.where(sx > 0, last, -first))
    return np.where(met, left, _BEYOND), np.where(met, right, -_BEYOND)


def _first_step(offset: Array, dx: Array, dy: Array) -> Array:
    """Return the first step of a flat line at which it has gone at least `offset` along its minor axis."""
    step = np.where(dy > 0, np.minimum(_ceil((offset - 1) * dx + dx // 2 + 1, dy), dx + 1), dx + 1)
    return np.where(offset <= 0, 0, step)


def _ceil(numerator: Array, denominator: Array) -> Array:
    return -(-numerator // np.maximum(denominator, 1))


def thick_segments(start: Array, end: Array, rows: Array) -> Spans:
    """Return the spans (part, *shape, row) of segments: a line, a parallelogram, a disc at the start.

    The parallelogram lies across the segment only where that rises to the right, as in the published code.
    """
    reach = np.abs(end - start)
    length = np.maximum(np.sqrt((reach * reach).sum(axis=-1, keepdims=True)), 1.0)
    across = np.rint(reach[..., ::-1] * (LINE_RADIUS / length)).astype(rows.dtype)
    box = np.stack([start - across, start + across, end + across, end - across], axis=-2)
    parts = line(start, end, rows), polygon(box, rows), disc(start, rows, LINE_RADIUS)
    low, high = (np.stack(bounds) for bounds in zip(*parts, strict=True))
    return low, high


def covered(spans: Spans, columns: Array) -> Array:
    """Return where spans (part, picture, row) of any part cover `columns` (picture, column)."""
    low, high = (bound.astype(columns.dtype)[..., None] for bound in spans)
    columns = columns[:, None, :]
    inside = (columns >= low[0]) & (columns <= high[0])
    for part in range(1, len(low)):
        inside |= (columns >= low[part]) & (columns <= high[part])
    return inside
