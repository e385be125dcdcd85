"""One row of the bad-input table: a call that a user could make by mistake, and the error it must earn."""

from collections.abc import Callable
from dataclasses import dataclass

from leworld.errors import LeWorldError


@dataclass(frozen=True)
class BadInput:
    """A mistaken `call` on the public name `entry`, the error class it must raise and words it must say."""

    entry: str
    case: str
    call: Callable[[], object]
    error: type[LeWorldError]
    mentions: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.entry.removeprefix('leworld.')}: {self.case}"
