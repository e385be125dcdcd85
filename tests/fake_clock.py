"""A clock that only a test turns, so that a deadline falls where the test puts it on any machine."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


class FakeClock:
    """Stands for a clock of `time`: shows `seconds`, and moves on by `step` when it is read."""

    def __init__(self, step: float = 0.0) -> None:
        self.seconds = 1000.0
        self.step = step

    def __call__(self) -> float:
        self.seconds += self.step
        return self.seconds


@contextmanager
def fake_clock(step: float = 0.0, *, name: str = "perf_counter") -> Iterator[FakeClock]:
    """Put a fake clock in the place of `time.perf_counter`, or another of `time`, while the block lasts."""
    clock = FakeClock(step)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, name, clock)
        yield clock
