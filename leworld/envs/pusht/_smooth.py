"""Anti-aliased pictures of Push-T: every pixel is the mean of the published picture over its area."""

from typing import final

import numpy as np

from .._disc import disc_coverage
from . import _figure as figure
from ._published import draw_ground

Array = np.ndarray

_PICTURES = 64  # drawn in one pass: bounds the working memory
_FINEST = 48  # pixels per side at least, of what smaller pictures are means of
_HALF = 0.5  # a pixel's number is the place of its middle, in the published picture
_LINE = figure.LINE_RADIUS + _HALF  # half the width of an outline


@final
class SmoothPainter:
    """Draws anti-aliased pictures at one image size."""

    def __init__(self, image_size: int, goal: tuple[float, float, float] | None) -> None:
        self.image_size = int(image_size)
        self._fold = -(-_FINEST // self.image_size)
        self._size = size = self._fold * self.image_size
        self._pixel = figure.SIZE / size  # side, in units of the published picture
        samples = np.arange(figure.SIZE, dtype=np.int32)
        numbers = draw_ground(samples, goal)
        means = _means(figure.SIZE, size)
        colours = np.array(figure.COLOURS, np.float32)
        walls = means @ (numbers == figure.WALL).astype(np.float32) @ means.T
        self._walls = walls[..., None]
        ground = np.einsum("ij,jkc,lk->ilc", means, colours[numbers], means, optimize=True)
        self._ground = np.rint(ground).astype(np.uint8)
        reaches = (figure.REACH + 1.5 * _LINE, figure.AGENT_RADIUS)
        self._patches = [min(size, int(np.ceil(2 * reach / self._pixel)) + 1) for reach in reaches]
        self._reaches = reaches

    def paint(self, states: Array) -> Array:
        """Return uint8 pictures (picture, height, width, 3) of states (picture, 7)."""
        side, fold = self.image_size, self._fold
        frames = np.empty((len(states), side, side, 3), np.uint8)
        for first in range(0, len(states), _PICTURES):
            part = slice(first, first + _PICTURES)
            if fold == 1:
                self._paint(frames[part], states[part])
                continue
            fine = np.empty((len(states[part]), self._size, self._size, 3), np.uint8)
            self._paint(fine, states[part])
            blocks = fine.reshape(-1, side, fold, side, fold, 3)
            frames[part] = np.rint(blocks.mean(axis=(2, 4), dtype=np.float32))
        return frames

    def _paint(self, frames: Array, states: Array) -> None:
        frames[:] = self._ground
        middle = figure.block_points((figure.MIDDLE,), states[:, 2:5])[:, 0] + _HALF
        corner, index = self._window(middle, 0)
        outer, inner = self._block_shares(corner, states[:, 2:5])
        self._blend(frames, index, ((outer, figure.EDGE), (inner, figure.FILL)))
        corner, index = self._window(states[:, :2], 1)
        outer, inner = (
            disc_coverage(corner, states[:, :2] / self._pixel, radius / self._pixel, self._patches[1])
            for radius in (figure.AGENT_RADIUS, figure.AGENT_RADIUS - figure.AGENT_RING)
        )
        self._blend(frames, index, ((outer, figure.RING), (inner, figure.INNER)))

    def _window(self, centres: Array, which: int) -> tuple[Array, tuple[Array, Array, Array]]:
        """Return the first pixel (column, row) of each patch, and the index of its pixels."""
        patch, reach = self._patches[which], np.arange(self._patches[which])
        first = np.floor((centres - self._reaches[which]) / self._pixel).astype(np.int64)
        corner = np.clip(first, 0, self._size - patch)
        picture = np.arange(len(corner))[:, None, None]
        rows = corner[:, 1, None, None] + reach[:, None]
        return corner, (picture, rows, corner[:, 0, None, None] + reach)

    def _blend(self, frames: Array, index: tuple[Array, Array, Array], layers: tuple) -> None:
        """Put a shape of one colour over the frames, and the inner part of it in another, under the walls."""
        (outer, edge), (inner, fill) = layers
        walls = self._walls[index[1], index[2]]
        colours = np.array(figure.COLOURS, np.float32)
        under = walls * colours[figure.WALL]
        patch = frames[index].astype(np.float32)
        free = 1.0 - walls
        patch += outer[..., None] * (under + free * colours[edge] - patch)
        patch += inner[..., None] * (free * (colours[fill] - colours[edge]))
        frames[index] = np.clip(np.rint(patch), 0, 255).astype(np.uint8)

    def _block_shares(self, corner: Array, poses: Array) -> tuple[Array, Array]:
        """Return which share of each pixel (picture, row, column) the block covers, and its inner part."""
        poses = poses.astype(np.float32)
        places = (corner[..., None] + (np.arange(self._patches[0]) + 0.5)) * self._pixel
        x, y = np.moveaxis(places.astype(np.float32) - _HALF - poses[:, :2, None], 1, 0)
        cos, sin = np.cos(poses[:, 2]), np.sin(poses[:, 2])
        along = (cos[:, None] * x)[:, None, :] + (sin[:, None] * y)[:, :, None]
        down = (cos[:, None] * y)[:, :, None] - (sin[:, None] * x)[:, None, :]
        spread = np.abs(np.stack([cos, sin])) * np.float32(self._pixel)
        long, short = spread.max(axis=0)[:, None, None], spread.min(axis=0)[:, None, None]

        def below(distance: Array) -> Array:
            """Return which share of a pixel lies less far along an axis than `distance` from its middle."""
            size = np.abs(distance)
            rest = np.clip(size - (long - short) / 2, 0.0, short)
            share = np.minimum(size, (long - short) / 2) + rest - rest * rest / np.maximum(2 * short, 1e-6)
            return 0.5 + np.copysign(share / long, distance)

        def strip(values: Array, low: float, high: float) -> Array:
            return below(high - values) - below(low - values)

        outer = strip(along, -60 - _LINE, 60 + _LINE) * strip(down, -_LINE, 30 + _LINE)
        outer += strip(along, -15 - _LINE, 15 + _LINE) * strip(down, 30 + _LINE, 120 + _LINE)
        inner = strip(along, -60 + _LINE, 60 - _LINE) * strip(down, _LINE, 30 - _LINE)
        inner += strip(along, -15 + _LINE, 15 - _LINE) * strip(down, 30 + _LINE, 120 - _LINE)
        return outer, inner


def _means(many: int, few: int) -> Array:
    """Return the matrix (few, many) that takes means over equal parts of `many` numbers."""
    ends = np.arange(few + 1) * (many / few)
    low, high = ends[:-1, None], ends[1:, None]
    number = np.arange(many)
    overlap = np.clip(np.minimum(high, number + 1) - np.maximum(low, number), 0.0, None)
    return (overlap * (few / many)).astype(np.float32)
