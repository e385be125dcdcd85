"""Every registered task, the guide's arm and a world of two lines keep the contract; wrong ones do not."""

import inspect
import json

import pytest

from benchmarks.arm import Arm
from benchmarks.harness import RESULTS
from leworld.envs import TwoRoomArena
from leworld.errors import LeWorldError
from leworld.tasks import Task, TwoRoomTask, get_task
from tests._source import ROOT
from tests.tasks.conformance import check_task
from tests.tasks.worlds import Dot, Feeling, Switched
from tests.tasks.wrong import WRONG

TASKS: dict[str, Task] = {
    "tworoom": get_task("tworoom"),
    "three doors": TwoRoomTask(TwoRoomArena([(40.0, 12.0), (112.0, 12.0), (190.0, 12.0)])),
    "arm": Arm(),
    "dot": Dot(),
    "feeling": Feeling(),
    "switched": Switched(),
}


@pytest.mark.parametrize("name", TASKS)
def test_it_keeps_the_contract(name: str) -> None:
    check_task(TASKS[name])


@pytest.mark.parametrize("mistake", WRONG, ids=lambda kind: kind.__name__)
def test_a_wrong_task_is_seen(mistake: type[Task]) -> None:
    with pytest.raises((AssertionError, LeWorldError)):
        check_task(mistake())


def test_the_guide_shows_the_arm_that_is_measured() -> None:
    source = (ROOT / "benchmarks" / "arm" / "__init__.py").read_text(encoding="utf-8")
    code = source[source.index("def wrapped") :].rstrip()
    assert code in (ROOT / "docs" / "guides" / "own_task.md").read_text(encoding="utf-8")
    assert len(inspect.getsource(Arm).splitlines()) <= 45


def test_the_measured_arm_reaches_its_goals() -> None:
    (row,) = json.loads((RESULTS / "arm.json").read_text(encoding="utf-8"))["rows"]
    assert row["LeWM"]["success"] >= 0.7
    assert row["LeWM"]["low"] > row["random"]["high"]
    assert row["pairs_played"] == 50
    assert row["cpu_seconds"] <= 240
