"""What the measured tables of pages are made of: results, cells, and the register of tables."""

import json
import re
from collections.abc import Callable
from typing import Any

from benchmarks.harness import RESULTS

PROTOCOLS = ("trajectory-25", "same-room", "cross-door")
TABLES: dict[str, Callable[[], str]] = {}
BLOCK = re.compile(r"<!-- table: (?P<name>[\w-]+) -->\n.*?<!-- end -->", re.DOTALL)
READ: set[str] = set()  # names of the results that were loaded, for who wants to know what a table reads


def load(name: str) -> dict[str, Any]:
    """Read one committed result."""
    READ.add(name)
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """Lay out a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def source(*results: dict[str, Any]) -> str:
    """Say which commands made the numbers, on what."""
    commands = ", ".join(dict.fromkeys(f"`{result['command']}`" for result in results))
    facts = results[0]["environment"]
    threads = facts["threads"]
    return (
        f"Made by {commands} with leworld {facts['leworld']} and torch {facts['torch']} on "
        f"{facts['cpu'] if facts['device'] == 'cpu' else facts['device']}, "
        f"{threads} thread{'s' if threads > 1 else ''}; JSON under `benchmarks/results/`."
    )


def percent(value: float) -> str:
    """A share as a percentage."""
    return f"{100 * value:.0f} %"


def interval(outcome: dict[str, float]) -> str:
    """A success rate with its interval."""
    return f"{percent(outcome['success'])} ({percent(outcome['low'])} to {percent(outcome['high'])})"


def table(function: Callable[[], str]) -> Callable[[], str]:
    """Register a table under its function's name, dashes for underscores."""
    TABLES[function.__name__.replace("_", "-")] = function
    return function
