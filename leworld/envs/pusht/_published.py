"""The published pictures of Push-T: drawn in whole pixels at 512 x 512, then resampled without smoothing."""

from typing import final

import numpy as np

from . import _figure as figure
from ._raster import covered, disc, polygon, thick_segments

Array = np.ndarray

_ONE = 2048  # the weights of the resampling are whole numbers of this
_PICTURES = 16  # drawn in one pass: bounds the working memory
_REACHES = (figure.REACH + 4.0, figure.AGENT_RADIUS + 2.0)  # how far block and agent change the picture


@final
class PublishedPainter:
    """Draws the published pictures at one image size.

    Of the picture at 512 only those pixels are drawn of which the resampling takes a mean: two rows for each
    of its rows, two columns for each of its columns. They are numbers of colours at first.
    """

    def __init__(self, image_size: int, goal: tuple[float, float, float] | None) -> None:
        self.image_size = size = int(image_size)
        self._scale = figure.SIZE / size
        places = (np.arange(size) + 0.5) * self._scale - 0.5
        first = np.floor(places).astype(np.int32)
        share = (places - first).astype(np.float32)
        share[(first < 0) | (first >= figure.SIZE - 1)] = 0.0
        pairs = np.clip(np.stack([first, first + 1], axis=-1), 0, figure.SIZE - 1)
        self._samples = pairs.reshape(-1)
        self._weights = np.rint(np.stack([1 - share, share]) * np.float32(_ONE)).astype(np.int32)
        self._patches = [min(size, int(2 * reach / self._scale) + 1) for reach in _REACHES]
        self._numbers = draw_ground(self._samples, goal)
        self._ground = self._resample(self._numbers[None], np.zeros((1, 2), np.int64), size)[0]

    def paint(self, states: Array) -> Array:
        """Return uint8 pictures (picture, height, width, 3) of states (picture, 7)."""
        frames = np.empty((len(states), self.image_size, self.image_size, 3), np.uint8)
        for first in range(0, len(states), _PICTURES):
            part = slice(first, first + _PICTURES)
            self._paint(frames[part], states[part])
        return frames

    def _paint(self, frames: Array, states: Array) -> None:
        frames[:] = self._ground
        numbers = np.repeat(self._numbers[None], len(states), axis=0)
        middle = figure.block_points((figure.MIDDLE,), states[:, 2:5])[:, 0]
        corners = [
            self._corner(centres, reach, patch)
            for centres, reach, patch in zip((middle, states[:, :2]), _REACHES, self._patches, strict=True)
        ]
        for corner, patch, draw in zip(corners, self._patches, (draw_block, draw_agent), strict=True):
            samples = self._samples[(2 * corner)[..., None] + np.arange(2 * patch)]
            index = _index(2 * corner, 2 * patch)
            numbers[index] = draw(numbers[index], states, samples[:, 1], samples[:, 0])
        for corner, patch in zip(corners, self._patches, strict=True):
            frames[_index(corner, patch)] = self._resample(numbers, corner, patch)

    def _corner(self, centres: Array, reach: float, patch: int) -> Array:
        """Return the first pixel (column, row) of the patch that what lies around `centres` may change."""
        first = np.ceil((centres - reach + 0.5) / self._scale - 0.5).astype(np.int64)
        return np.clip(first, 0, self.image_size - patch)

    def _resample(self, numbers: Array, corner: Array, patch: int) -> Array:
        """Return pixels (picture, row, column, 3), in OpenCV's bilinear arithmetic of whole numbers."""
        colours = np.array(figure.COLOURS, np.int32)[numbers[_index(2 * corner, 2 * patch)]]
        left, right = self._weights[:, corner[:, :1] + np.arange(patch)][:, :, None, :, None]
        upper, lower = self._weights[:, corner[:, 1:] + np.arange(patch)][:, :, :, None, None]
        across = (colours[:, :, ::2] * left + colours[:, :, 1::2] * right) >> 4
        down = (across[:, ::2] * upper >> 16) + (across[:, 1::2] * lower >> 16)
        return ((down + 2) >> 2).astype(np.uint8)


def _index(corner: Array, patch: int) -> tuple[Array, Array, Array]:
    reach = np.arange(patch)
    picture = np.arange(len(corner))[:, None, None]
    return picture, corner[:, 1, None, None] + reach[:, None], corner[:, 0, None, None] + reach


def draw_ground(samples: Array, goal: tuple[float, float, float] | None) -> Array:
    """Return the numbers of the colours where nothing moves, at rows and columns `samples`."""
    numbers = np.full((len(samples), len(samples)), figure.FLOOR, np.uint8)
    rows, columns = samples[None], samples[None]
    if goal is not None:
        for shape in (figure.BAR, figure.STEM):
            corners = _whole(figure.block_points(shape, np.array([goal])))
            numbers[covered(_one(polygon(corners, rows)), columns)[0]] = figure.GOAL
            x, y = corners[0, 0]
            numbers[np.ix_(samples == y, samples == x)] = figure.GOAL  # where pygame closes a polygon
    for ends in figure.WALLS:
        start, end = np.array(ends, np.int32)
        for one, other in ((start, end), (end, start)):
            inside = covered(thick_segments(one[None], other[None], rows), columns)[0]
            numbers[inside] = figure.WALL
    return numbers


def draw_block(numbers: Array, states: Array, rows: Array, columns: Array) -> Array:
    """Return numbers of colours (picture, row, column) with the block on them, under the walls."""
    free = numbers != figure.WALL
    for shape in (figure.BAR, figure.STEM):
        corners = _whole(figure.block_points(shape, states[:, 2:5]))
        inside = covered(_one(polygon(np.concatenate([corners, corners[:, :1]], axis=1), rows)), columns)
        low, high = thick_segments(corners, np.roll(corners, -1, axis=1), rows[:, None])
        parts = tuple(np.moveaxis(bound, 2, 1).reshape(-1, *rows.shape) for bound in (low, high))
        edge = covered((parts[0], parts[1]), columns)
        numbers = np.where(inside & free, np.uint8(figure.FILL), numbers)
        numbers = np.where(edge & free, np.uint8(figure.EDGE), numbers)
    return numbers


def draw_agent(numbers: Array, states: Array, rows: Array, columns: Array) -> Array:
    """Return numbers of colours (picture, row, column) with the agent on them, under the walls."""
    free = numbers != figure.WALL
    place = _whole(states[:, :2])
    for less, number in ((0, figure.RING), (figure.AGENT_RING, figure.INNER)):
        inside = covered(_one(disc(place, rows, figure.AGENT_RADIUS - less)), columns)
        numbers = np.where(inside & free, np.uint8(number), numbers)
    return numbers


def _whole(points: Array) -> Array:
    return np.rint(points).astype(np.int32)


def _one(spans: tuple[Array, Array]) -> tuple[Array, Array]:
    return spans[0][None], spans[1][None]
