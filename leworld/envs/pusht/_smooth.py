"""Anti-aliased pictures of Push-T: every pixel is the mean of the published picture over its area."""

from typing import final

import numpy as np

from .._disc import disc_coverage
from . import _figure as figure
from ._published import draw_ground

Array = np.ndarray
Share = tuple[Array, int]  # of each pixel, and the number of its colour

_PICTURES = 64  # drawn in one pass: bounds the working memory
_FINEST = 48  # pixels per side at least, of what smaller pictures are means of
_HALF = 0.5  # a pixel's number is the place of its middle, in the published picture
_DISCS = 14.8, 10.8  # radii of the discs of 688 and 368 pixels that are drawn for 15 and 11
_LINE = 2.4  # half the width of an outline, on average


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
        self._walls = walls
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
        self._blend(frames, index, (outer, figure.EDGE), (inner, figure.FILL))
        corner, index = self._window(states[:, :2], 1)
        outer, inner = (
            disc_coverage(corner, states[:, :2] / self._pixel, radius / self._pixel, self._patches[1])
            for radius in _DISCS
        )
        self._blend(frames, index, (outer, figure.RING), (inner, figure.INNER))

    def _window(self, centres: Array, which: int) -> tuple[Array, tuple[Array, Array, Array]]:
        """Return the first pixel (column, row) of each patch, and the index of its pixels."""
        patch, reach = self._patches[which], np.arange(self._patches[which])
        first = np.floor((centres - self._reaches[which]) / self._pixel).astype(np.int64)
        corner = np.clip(first, 0, self._size - patch)
        picture = np.arange(len(corner))[:, None, None]
        rows = corner[:, 1, None, None] + reach[:, None]
        return corner, (picture, rows, corner[:, 0, None, None] + reach)

    def _blend(self, frames: Array, index: tuple[Array, Array, Array], outer: Share, inner: Share) -> None:
        """Put a shape over the frames, under the walls, and an inner part of it in another colour."""
        patch = frames[index]
        (outer_share, edge), (inner_share, fill) = outer, inner
        walls = self._walls[index[1], index[2]]
        inner_share = inner_share * (1.0 - walls)
        for channel in range(3):
            under, over, within = (float(figure.COLOURS[n][channel]) for n in (figure.WALL, edge, fill))
            change = walls * (under - over)
            change += over
            change -= patch[..., channel]
            change *= outer_share
            change += inner_share * (within - over)
            change += patch[..., channel]
            change += 0.5  # rounds what is cut off next
            patch[..., channel] = change
        frames[index] = patch

    def _block_shares(self, corner: Array, poses: Array) -> tuple[Array, Array]:
        """Return which share of each pixel (picture, row, column) the block covers, and its inner part.

        Away from corners a pixel's share of a strip depends on its middle's place across the strip only, by
        the distribution of a point of a turned square along one axis; a corner multiplies two shares.
        """
        cos, sin = (turn(poses[:, 2]).astype(np.float32) for turn in (np.cos, np.sin))
        spread = np.abs(np.stack([cos, sin])) * np.float32(self._pixel)
        long, short = spread.max(axis=0), spread.min(axis=0)
        places = (corner[..., None] + (np.arange(self._patches[0]) + 0.5)) * self._pixel - _HALF
        x, y = np.moveaxis(((places - poses[:, :2, None]) / long[:, None, None]).astype(np.float32), 1, 0)
        along = (cos[:, None] * x)[:, None, :] + (sin[:, None] * y)[:, :, None]
        down = (cos[:, None] * y)[:, :, None] - (sin[:, None] * x)[:, None, :]
        scale, slope = (1.0 / long)[:, None, None], (short / long)[:, None, None]
        flat, reach = (1.0 - slope) / 2, (1.0 + slope) / 2
        curve = 0.5 / np.maximum(slope, 1e-6)
        np.abs(along, out=along)

        def strip(distance: Array, half: float) -> Array:
            """Return the share that lies within `half` of a strip's middle; strips are wider than a pixel."""
            depth = half * scale - distance
            share = np.abs(depth)
            np.minimum(share, reach, out=share)
            bend = share - flat
            np.maximum(bend, 0.0, out=bend)
            bend *= bend
            bend *= curve
            share -= bend
            np.copysign(share, depth, out=share)
            share += 0.5
            return share

        bar, stem = (np.abs(down - middle * scale) for middle in (15.0, 75.0 + _LINE))
        outer = strip(along, 60 + _LINE)
        outer *= strip(bar, 15 + _LINE)
        outer += strip(along, 15 + _LINE) * strip(stem, 45.0)
        inner = strip(along, 60 - _LINE)
        inner *= strip(bar, 15 - _LINE)
        inner += strip(along, 15 - _LINE) * strip(np.abs(down - 75.0 * scale), 45 - _LINE)
        return outer, inner


def _means(many: int, few: int) -> Array:
    """Return the matrix (few, many) that takes means over equal parts of `many` numbers."""
    ends = np.arange(few + 1) * (many / few)
    low, high = ends[:-1, None], ends[1:, None]
    number = np.arange(many)
    overlap = np.clip(np.minimum(high, number + 1) - np.maximum(low, number), 0.0, None)
    return (overlap * (few / many)).astype(np.float32)
