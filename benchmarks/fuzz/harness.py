"""The loop of every target: one seeded attempt after the other, with its time and its memory."""

import contextlib
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from leworld.errors import LeWorldError

Attempt = Callable[[np.random.Generator, Path], str]


@dataclass
class Findings:
    """How attempts ended.

    Attributes:
        outcomes: Number of attempts by outcome: what the attempt returned, or the name of leworld's error.
        faults: By seed of the attempt, what is wrong: another exception, too much time or too much memory.
        slowest: CPU seconds of the slowest attempt.
        largest: Most MiB that an attempt took beyond what the process had before it.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: dict[int, str] = field(default_factory=dict)
    slowest: float = 0.0
    largest: float = 0.0


def fuzz(
    attempt: Attempt, *, count: int, seed: int, max_seconds: float = 5.0, max_mebibytes: float = 500.0
) -> Findings:
    """Call `attempt(generator, empty folder)` `count` times, attempt i with a generator of (seed, i).

    An attempt damages an input, hands it to the library, and returns a word for how that ended. An error of
    leworld counts by its name; any other exception is a fault, and so is an attempt that takes more than
    `max_seconds` of CPU time or `max_mebibytes`.
    """
    findings = Findings()
    for index in range(count):
        with tempfile.TemporaryDirectory() as folder:
            before = _reset_peak()
            started = time.process_time()
            try:
                outcome = attempt(np.random.default_rng([seed, index]), Path(folder))
            except LeWorldError as error:
                outcome = type(error).__name__
                if not all(len(part.split()) >= 2 for part in (error.rule, error.got, error.fix)):
                    findings.faults[index] = f"an error of fewer than three parts: {error.args}"
            except Exception as error:
                outcome = "fault"
                findings.faults[index] = f"a raw {type(error).__name__}: {error}"
            seconds, mebibytes = time.process_time() - started, (_peak() - before) / 2**20
        findings.outcomes[outcome] += 1
        findings.slowest = max(findings.slowest, seconds)
        findings.largest = max(findings.largest, mebibytes)
        if seconds > max_seconds or mebibytes > max_mebibytes:
            findings.faults.setdefault(index, f"{outcome} after {seconds:.1f} s and {mebibytes:.0f} MiB")
    return findings


def _reset_peak() -> int:
    """Let the peak of this process's memory begin anew, and return what it has now, in bytes (Linux)."""
    with contextlib.suppress(OSError):  # not Linux, or not allowed: the peak then keeps what was before
        Path("/proc/self/clear_refs").write_text("5")
    return _peak()


def _peak() -> int:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
