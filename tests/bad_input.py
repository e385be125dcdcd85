"""One row of the bad-input table: a call that a user could make by mistake, and the error it must earn."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from leworld.errors import LeWorldError

# Rows that only the check of annotations refuses, which LEWORLD_SHAPECHECK=0 switches off; one that fails
# then belongs here if nothing else should refuse it.
ONLY_CHECKED: list[str] = json.loads((Path(__file__).parent / "shapecheck.json").read_text(encoding="utf-8"))


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


def rows_of(rows: Iterable[BadInput]) -> list[object]:
    """Return the rows for `parametrize`, with a mark on those that test the check of annotations itself."""
    known = frozenset(ONLY_CHECKED)
    marks = {True: [pytest.mark.shapecheck], False: []}
    return [pytest.param(row, id=str(row), marks=marks[str(row) in known]) for row in rows]
