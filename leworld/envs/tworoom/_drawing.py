"""Pictures of the arena: every pixel is the exact mean over its area, so no resampling is needed."""

from typing import final

import numpy as np

from .._disc import disc_coverage
from ._geometry import BORDER, RADIUS, SIZE, WALL, WALL_THICKNESS, Interval

Array = np.ndarray

FLOOR, SOLID, AGENT, GOAL = (255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 160, 0)
FRAME = 3.5  # thickness of the line around the arena, inside its border
ROWS = 2048  # pictures per pass: bounds the working memory


@final
class Painter:
    """Draws an arena at one image size. The walls are drawn once; a picture costs its copy and one disc."""

    def __init__(self, openings: tuple[Interval, ...], image_size: int) -> None:
        self.image_size = int(image_size)
        self._pixels_per_unit = self.image_size / SIZE
        self._radius = RADIUS * self._pixels_per_unit
        # A disc of diameter d touches at most ceil(d) + 1 pixels along an axis.
        self._patch = min(self.image_size, int(np.ceil(2 * self._radius)) + 1)
        self.background = self._draw_walls(openings)
        self.background.flags.writeable = False  # every picture is made of it

    def paint(self, agents: Array, goals: Array | None = None) -> Array:
        """Return uint8 pictures (*batch, height, width, 3) of agents at positions (*batch, 2)."""
        side = self.image_size
        centres = agents.reshape(-1, 2)
        frames = np.empty((len(centres), side, side, 3), np.uint8)
        frames[:] = self.background
        for first in range(0, len(centres), ROWS):
            rows = slice(first, first + ROWS)
            own = centres[rows].astype(np.float64) * self._pixels_per_unit
            if goals is not None:
                mark = goals.reshape(-1, 2)[rows].astype(np.float64) * self._pixels_per_unit
                corner = self._corner(mark)
                hidden = self._coverage(corner, own)
                self._add(frames[rows], corner, np.maximum(self._coverage(corner, mark) - hidden, 0.0), GOAL)
            corner = self._corner(own)
            self._add(frames[rows], corner, self._coverage(corner, own), AGENT)
        return frames.reshape(*agents.shape[:-1], side, side, 3)

    def _corner(self, centres: Array) -> Array:
        """Return the first pixel (column, row) of the patch around each centre."""
        first = np.floor(centres - self._radius).astype(np.int64)
        return np.clip(first, 0, self.image_size - self._patch)

    def _coverage(self, corner: Array, centres: Array) -> Array:
        return disc_coverage(corner, centres, self._radius, self._patch)

    def _add(self, frames: Array, corner: Array, share: Array, colour: tuple[int, int, int]) -> None:
        """Replace floor by `colour` where a disc lies. Discs touch no wall, so shares simply add up."""
        reach = np.arange(self._patch)
        picture = np.arange(len(frames))[:, None, None]
        index = (picture, corner[:, 1, None, None] + reach[:, None], corner[:, 0, None, None] + reach)
        change = np.subtract(colour, FLOOR, dtype=np.float64)
        patch = frames[index] + share[..., None] * change
        frames[index] = np.clip(np.rint(patch), 0, 255).astype(np.uint8)

    def _draw_walls(self, openings: tuple[Interval, ...]) -> Array:
        inner = self._covered(BORDER, SIZE - BORDER)
        outer = self._covered(BORDER - FRAME, SIZE - BORDER + FRAME)
        line = np.outer(outer, outer) - np.outer(inner, inner)
        half = WALL_THICKNESS / 2
        solid = inner - sum(self._covered(low, high) for low, high in openings)
        wall = np.outer(solid, self._covered(WALL - half, WALL + half))
        share = (line + wall)[..., None]
        colours = (1 - share) * np.array(FLOOR) + share * np.array(SOLID)
        return np.rint(np.clip(colours, 0, 255)).astype(np.uint8)

    def _covered(self, low: float, high: float) -> Array:
        """Return which share of each pixel along one axis lies in an interval of arena units."""
        edges = np.clip(np.arange(self.image_size + 1) / self._pixels_per_unit, low, high)
        return np.diff(edges) * self._pixels_per_unit
