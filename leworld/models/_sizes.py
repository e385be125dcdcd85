"""Parts that say their sizes, and whether these fit together."""

import math

from torch import nn

from ..errors import ConfigError


def part_size(owner: str, name: str, part: nn.Module, attribute: str) -> int:
    """Return a size that a part says as an attribute, or refuse the part in `owner`'s name."""
    value = getattr(part, attribute, None)
    if not isinstance(value, int):
        raise ConfigError(
            f"{owner} needs its {name} to say its `{attribute}` as an integer attribute",
            f"{type(part).__name__} has `{attribute}={value!r}`",
            f"Set `self.{attribute}` in its constructor",
        )
    return value


def check_fit(owner: str, name: str, part: nn.Module, attribute: str, due: int, *, to: str) -> None:
    """Refuse a part whose size is not `due`, which `to` sets."""
    size = part_size(owner, name, part, attribute)
    if size != due:
        raise ConfigError(
            f"{owner} needs `{name}.{attribute}` to equal {to}",
            f"they are {size} and {due}",
            "Build both with the same size",
        )


def grid(tokens: int) -> str:
    """Return a number of tokens in words, as the grid that it may be."""
    side = math.isqrt(max(tokens, 0))
    return f"{tokens} tokens ({side} x {side})" if side > 1 and side * side == tokens else f"{tokens} tokens"
