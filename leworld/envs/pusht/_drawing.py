"""Pictures of Push-T at any size, from states. Needs numpy only."""

from functools import cache
from typing import Literal, final

import numpy as np
from jaxtyping import Float, UInt8

from ..._checks import check_choice, check_float_array, check_number, plain_numbers
from ._figure import GOAL_POSE
from ._published import PublishedPainter
from ._smooth import SmoothPainter

Array = np.ndarray

PUBLISHED_SIZE = 224
_FAR = 4096.0  # beyond any picture


@final
@plain_numbers
class PushTDrawing:
    """Draws states of Push-T: walls, a green goal as decoration, the T-shaped block, the agent a blue disc.

    Reach for it to draw many states at once, recorded or imagined; `PushT` draws its observations with it.
    What does not move is drawn once.

    There are two styles. `"published"` is the picture of the published environments, on which the official
    weights were trained: drawn without anti-aliasing at 512 x 512, with corners rounded to whole pixels, then
    resampled bilinearly without smoothing. It is equal to the byte to what pygame 2.6 and OpenCV make, except
    for a few pixels where the block lies partly outside the picture. `"smooth"` is the mean of that picture
    over the area of each pixel, at unrounded places: anti-aliased, and several times as fast.

    Args:
        image_size: Pixels per side.
        style: `"published"` or `"smooth"`; None is the first from 224 pixels on, the second below.
        show_goal: Whether the decoration is drawn.
        goal_pose: Place and angle of the decoration, as a block's: x, y, angle. The published environments
            leave it at (256, 256, pi / 4), wherever the goal of an episode is.

    Raises:
        ConfigError: The image size or the style is none of those.
        ShapeError: The pose has not 3 numbers.
        NonFiniteError: The pose is NaN or infinite.

    Source: the drawing of diffusion policy's Push-T (Chi et al., 2023, arXiv:2303.04137), which DINO-WM and
    LeWorldModel (Maes et al., 2026, arXiv:2603.19312) use. Their code calls pygame and OpenCV; this is our
    own, and draws the same pixels.

    Example:
        ```python
        import numpy as np
        from leworld.envs import PushTDrawing

        states = np.array([[256, 400, 100, 120, 0.3, 0, 0], [256, 400, 300, 200, 2.0, 0, 0]])
        assert PushTDrawing(64).render(states).shape == (2, 64, 64, 3)
        published = PushTDrawing(224).render(states[0])
        assert published.mean(axis=(0, 1)).round(4).tolist() == [246.5288, 249.5003, 248.0659]
        ```
    """

    def __init__(
        self,
        image_size: int = 64,
        *,
        style: Literal["published", "smooth"] | None = None,
        show_goal: bool = True,
        goal_pose: tuple[float, float, float] = GOAL_POSE,
    ) -> None:
        check_number("PushTDrawing", "image_size", image_size, low=1, integer=True)
        if style is None:
            style = "published" if image_size >= PUBLISHED_SIZE else "smooth"
        check_choice("PushTDrawing", "style", style, ("published", "smooth"))
        x, y, angle = check_float_array("PushTDrawing", "goal_pose", goal_pose, shape="3").tolist()
        self.image_size = int(image_size)
        self.style = style
        self.show_goal = bool(show_goal)
        self.goal_pose = (x, y, angle)
        painter = PublishedPainter if style == "published" else SmoothPainter
        self._painter = painter(self.image_size, self.goal_pose if self.show_goal else None)

    def render(self, states: Float[Array, "*batch 7"]) -> UInt8[Array, "*batch height width 3"]:
        """Return a square RGB picture for each state: agent x, y, block x, y, angle, and a velocity.

        Raises:
            ShapeError: The last axis is not 7.
            NonFiniteError: A state is NaN or infinite.
        """
        return self.paint(check_float_array("PushTDrawing.render", "states", states, shape="... 7"))

    def paint(self, states: Array) -> Array:
        """Return what `render` does, without checks; for callers that draw often."""
        flat = states.reshape(-1, states.shape[-1]).astype(np.float64)
        flat[:, :4] = np.clip(flat[:, :4], -_FAR, _FAR)
        return self._painter.paint(flat).reshape(*states.shape[:-1], self.image_size, self.image_size, 3)


@cache
def published_drawing(show_goal: bool) -> PushTDrawing:
    """Return the (kept) drawing of what environments show on request."""
    return PushTDrawing(PUBLISHED_SIZE, show_goal=show_goal)
