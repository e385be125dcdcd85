"""What an alarm costs and catches at one false-alarm rate."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from ..._checks import plain_numbers
from ...errors import ShapeError

Counts = Mapping[str, tuple[int, int]]


@final
@plain_numbers
@dataclass(frozen=True)
class AlarmLevel:
    """One threshold for an alarm, and how often undisturbed episodes exceed it.

    Attributes:
        rate: Share of normal frames that may raise an alarm.
        threshold: The surprise above which a frame raises one.
        frames: Name -> (alarms, frames) of undisturbed frames: `all`, and each kind of normal event.
        events: Name -> (alarms, events) of normal events, an unbroken run of such frames being one event; it
            counts as an alarm when any of its frames raises one.

    Raises:
        ShapeError: More alarms than frames or events, or no frames at all.

    Example:
        ```python
        from leworld.evaluation import AlarmLevel

        level = AlarmLevel(0.05, threshold=0.3, frames={"all": (9, 200)}, events={"at the door": (0, 12)})
        assert level.frames["all"][0] == 9
        ```
    """

    rate: float
    threshold: float
    frames: Counts
    events: Counts

    def __post_init__(self) -> None:
        pairs = [*self.frames.values(), *self.events.values()]
        if "all" not in self.frames or any(not 0 <= alarms <= total for alarms, total in pairs):
            raise ShapeError(
                "AlarmLevel needs counts of `all` normal frames, with at most as many alarms as there are",
                f"`frames` is {dict(self.frames)} and `events` {dict(self.events)}",
                "Take levels from `surprise`",
            )
