"""The comparison of two checkouts: it sees what differs, and its worker runs in this one."""

from pathlib import Path

import pytest

from benchmarks import compare_former
from benchmarks.compare_former import ROOT, Side, differences, goal_row, time_row


def test_other_bits_and_missing_values_are_seen() -> None:
    former = {"version": "1", "SIGReg": "0x1p0", "rollout": "ab"}
    assert not differences(former, former | {"version": "2"})
    assert differences(former, former | {"rollout": "ac"}) == ["rollout"]
    assert differences(former, {"SIGReg": "0x1p0"}) == ["rollout"]
    assert differences(former, former | {"cost": "ab"}) == ["cost"]


def test_times_are_judged_by_their_ratio() -> None:
    assert time_row("x", [(1.0, 1.04), (2.0, 2.0), (1.0, 1.2)])["within_bound"]
    slower = time_row("x", [(1.0, 1.06), (2.0, 2.2), (1.0, 0.9)])
    assert not slower["within_bound"]
    assert slower["ratio"] == pytest.approx(1.06)


def played(*reached: bool, low: float = 0.5, start: float = 1.0) -> dict:
    rate = sum(reached) / len(reached)
    outcome = {"success_rate": rate, "success_interval": [low, 1.0], "pairs": {"reached": list(reached)}}
    return {"start": [[start, 0.0]], "goal": [[0.0, 0.0]], "policies": {"LeWM": outcome}}


def test_goals_are_compared_on_the_same_pairs() -> None:
    row = goal_row("cross-door", played(True, True, False), played(True, False, True))
    assert (row["only_former"], row["only_this"], row["within_interval"]) == (1, 1, True)
    assert not goal_row("cross-door", played(True, True), played(False, False))["within_interval"]
    with pytest.raises(SystemExit, match="other pairs"):
        goal_row("cross-door", played(True), played(True, start=2.0))


def test_the_worker_answers_in_this_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    side = Side(ROOT)
    try:
        found = side.ask("values")
        seconds = side.ask("ExactSIGReg, table")["seconds"]
    finally:
        side.end()
    assert {"SIGReg, cpu, value", "ExactSIGReg, table, gradient", "lewm-tworoom-tiny, cost"} <= found.keys()
    assert seconds > 0
    assert "CEM, 300 x 10, batch 1" in side.calls
    monkeypatch.setattr(compare_former, "environment", lambda _: {"PYTHONPATH": str(ROOT)})
    with pytest.raises(SystemExit, match="a side ended with exit code 1"):
        Side(tmp_path)
