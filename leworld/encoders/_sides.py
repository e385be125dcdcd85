"""Height and width of pictures, as users say them."""

from typing import Any

from .._checks import check_number, describe
from ..errors import ConfigError


def sides_of(owner: str, image_size: Any) -> tuple[int, int]:
    """Return height and width, of one side or of both.

    Raises:
        ConfigError: If it is something else, or a side is no whole number of at least 1.
    """
    sides = (image_size, image_size) if isinstance(image_size, int) else image_size
    if not isinstance(sides, list | tuple) or len(sides) != 2:
        raise ConfigError(
            f"{owner} needs `image_size` to be one side, or height and width",
            f"it is {describe(image_size)}",
            "Pass for example 224 or (196, 224)",
        )
    for side in sides:
        check_number(owner, "image_size", side, low=1, integer=True)
    return sides[0], sides[1]
