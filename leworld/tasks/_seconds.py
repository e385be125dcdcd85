"""CPU seconds of a work that may be interrupted and taken up again by another process."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from .._files import write_atomically

T = TypeVar("T")


def timed(work: Callable[[], T], record: Path, name: str) -> tuple[T, float]:
    """Return what `work` returns and the CPU seconds that it took, with those of former tries.

    Args:
        work: What to do.
        record: A file that keeps the seconds from try to try, also of one that an exception ends; a process
            that is killed takes its own along.
        name: Of the work, in that file.
    """
    known = _read(record)
    began = time.process_time()
    try:
        found = work()
    finally:
        known[name] = known.get(name, 0.0) + time.process_time() - began
        record.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(known, indent=1, allow_nan=False) + "\n"
        write_atomically(record, lambda file: file.write_text(text))
    return found, known[name]


def _read(record: Path) -> dict[str, float]:
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: float(value) for name, value in found.items()} if isinstance(found, dict) else {}
