"""Height and width of pictures, as users say them and as stages halve them."""

from collections.abc import Sequence
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


def halving_stages(owner: str, image_size: int, channels: Sequence[int]) -> int:
    """Return by how much a stage for each of `channels` shrinks a side, or refuse what cannot be halved."""
    for width in channels:
        check_number(owner, "channels", width, low=1, integer=True)
    reduction = 2 ** len(channels)
    if not channels or image_size % reduction:
        raise ConfigError(
            f"{owner} needs at least one stage, and an `image_size` that n stages can halve n times",
            f"`image_size={image_size}` and `channels={tuple(channels)}` ({len(channels)} stages)",
            f"Take an image size that is a multiple of {reduction}, or another number of stages",
        )
    return reduction
