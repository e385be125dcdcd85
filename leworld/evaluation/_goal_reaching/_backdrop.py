"""What paths are drawn on."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import UInt8

from ..._checks import check_number, describe, plain_numbers
from ...errors import ConfigError, ShapeError


@final
@plain_numbers
@dataclass(frozen=True, eq=False)
class Backdrop:
    """A picture of the world behind paths, and where its borders lie in the first two state components.

    Attributes:
        picture: RGB, the first row on top.
        x: First component of the state at the left and at the right border.
        y: Second component at the top and at the bottom border.

    Raises:
        ShapeError: Not a uint8 picture (height, width, 3).
        ConfigError: A border that is no number, or two borders in one place.

    Example:
        ```python
        import numpy as np
        from leworld.evaluation import Backdrop

        floor = Backdrop(np.full((64, 64, 3), 255, np.uint8), x=(0.0, 224.0), y=(0.0, 224.0))
        assert floor.x[1] == 224.0
        ```
    """

    picture: UInt8[np.ndarray, "height width 3"]
    x: tuple[float, float]
    y: tuple[float, float]

    def __post_init__(self) -> None:
        picture = self.picture
        fits = isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.ndim == 3
        if not fits or picture.shape[2] != 3 or not picture.size:
            raise ShapeError(
                "Backdrop needs `picture` to be uint8 with the axes (height, width, 3)",
                f"`picture` is {describe(picture)}",
                "Pass an RGB picture of the world",
            )
        for name, borders in (("x", self.x), ("y", self.y)):
            if len(borders) != 2 or borders[0] == borders[1]:
                raise ConfigError(
                    f"Backdrop needs `{name}` to hold two different borders",
                    f"`{name}={borders}` was given",
                    "Pass the states at the two borders of the picture, for example (0.0, 224.0)",
                )
            for border in borders:
                check_number("Backdrop", name, border)
        object.__setattr__(self, "picture", picture.copy())
