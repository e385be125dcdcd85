"""What the docs say of the shipped model is what the committed measurements hold."""

import json
from pathlib import Path
from typing import Any

import pytest

from leworld.evaluation import ProbingResult, SurpriseResult

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"


def rows(name: str) -> list[dict[str, Any]]:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))["rows"]


def check_surprise(result: SurpriseResult) -> None:
    """Teleports are noticed at every rate; at the strictest, no door crossing raises an alarm."""
    teleport, levels = result.row("teleport"), result.levels
    assert levels[0].rate == 0.05
    assert teleport.num_events >= 400
    assert teleport.auroc >= 0.999
    assert teleport.auroc_of["at the door"] >= 0.999
    assert min(teleport.num_detected) >= 0.99 * teleport.num_events
    assert levels[-1].events["at the door"][1] >= 200
    assert levels[-1].events["at the door"][0] == 0
    for level in levels:
        alarms, frames = level.frames["all"]
        # Frames of one episode depend on each other; twice the rate and a few leave room for that.
        assert alarms <= 2 * level.rate * frames + 5


def test_the_shipped_model_notices_teleports_and_not_doors() -> None:
    (data,) = rows("tworoom_surprise")
    check_surprise(SurpriseResult.from_json(data))


@pytest.mark.parametrize("fault", ["missed", "door", "few"])
def test_a_worse_measurement_is_seen(fault: str) -> None:
    (data,) = rows("tworoom_surprise")
    row = next(row for row in data["rows"] if row["kind"] == "teleport")
    if fault == "missed":
        row["num_detected"][-1] = row["num_events"] - row["num_events"] // 50
    elif fault == "door":
        data["levels"][-1]["events"]["at the door"][0] = 1
    else:
        row["num_events"], row["num_detected"] = 50, [50] * len(data["levels"])
    with pytest.raises(AssertionError):
        check_surprise(SurpriseResult.from_json(data))


def test_the_shipped_model_holds_the_position() -> None:
    result = ProbingResult(rows=ProbingResult.from_json(
        {"schema_version": 2, "kind": "probing", "seed": 0, "rows": rows("tworoom_probing")}
    ).rows, seed=0)  # fmt: skip
    assert result.row("position", probe="linear").r2 >= 0.98
    assert result.row("position", probe="MLP").r2 >= 0.999
    room = result.row("room")
    assert room.accuracy > 0.95 > 0.6 > room.chance
