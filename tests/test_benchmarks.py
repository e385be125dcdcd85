"""Committed results follow one schema, name their command, and hold no path or host of a machine."""

import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.harness import RESULTS, SCHEMA_VERSION, paired, write_result
from tests.fake_clock import fake_clock

KEYS = {"schema_version", "name", "command", "environment", "settings", "rows"}
ENVIRONMENT = {"leworld", "torch", "python", "system", "cpu", "cpu_count", "threads", "device"}


def faults(result: dict, stem: str) -> list[str]:
    found = [f"keys {sorted(set(result) ^ KEYS)}"] if set(result) != KEYS else []
    if found:
        return found
    if result["schema_version"] != SCHEMA_VERSION or result["name"] != stem:
        found.append("schema_version or name")
    if not re.match(r"(python|leworld|make) \S", result["command"]):
        found.append("the command is not one that a reader can run")
    if set(result["environment"]) != ENVIRONMENT:
        found.append("environment")
    if not result["rows"] or not all(isinstance(row, dict) and row for row in result["rows"]):
        found.append("rows")
    text = json.dumps(result)
    if re.search(r"/(home|root|tmp|work|Users)/", text):
        found.append("a path of a machine")
    if any(not math.isfinite(v) for v in numbers(result)):
        found.append("a number that is not finite")
    return found


def numbers(value: object):
    if isinstance(value, float):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from numbers(item)


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.name)
def test_committed_results_follow_the_schema(path: Path) -> None:
    assert not faults(json.loads(path.read_text(encoding="utf-8")), path.stem)


def test_a_crooked_result_is_seen(tmp_path: Path) -> None:
    path = write_result(
        "demo", command="python benchmarks/run.py demo", settings={}, rows=[{"x": 1.0}], folder=tmp_path
    )
    good = json.loads(path.read_text(encoding="utf-8"))
    assert not faults(good, "demo")
    assert faults(good, "other")
    assert faults(good | {"rows": []}, "demo")
    assert faults(good | {"command": "somehow"}, "demo")
    assert faults(good | {"rows": [{"x": math.nan}]}, "demo")
    assert faults(good | {"rows": [{"file": "/root/x"}]}, "demo")


def test_paired_timing_reports_ratios_to_the_first() -> None:
    """The rounds' durations on a fake clock; the first round warms up, and both slow down from then on."""
    slow, quick = [90.0, 4.0, 8.0, 12.0, 16.0, 20.0], [50.0, 1.0, 2.0, 3.0, 4.0, 5.0]

    def lasting(seconds: list[float]) -> Callable[[], None]:
        turns = iter(seconds)

        def function() -> None:
            clock.seconds += next(turns)

        return function

    with fake_clock(name="process_time") as clock:
        rows = paired({"slow": lasting(slow), "quick": lasting(quick)}, repeats=5, warmup=1)
    assert rows["slow"] == {"median_ms": 12_000, "low_ms": 6_000, "high_ms": 18_000, "ratio": 1}
    assert rows["quick"] == {"median_ms": 3_000, "low_ms": 1_500, "high_ms": 4_500, "ratio": 4}
