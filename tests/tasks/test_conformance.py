"""Every registered task, the guide's arm and a world of two lines keep the contract; wrong ones do not."""

import pytest

from benchmarks.arm import Arm
from leworld.envs import TwoRoomArena
from leworld.errors import LeWorldError
from leworld.tasks import Task, TwoRoomTask, get_task
from tests.tasks.conformance import check_task
from tests.tasks.worlds import Dot
from tests.tasks.wrong import WRONG

TASKS: dict[str, Task] = {
    "tworoom": get_task("tworoom"),
    "three doors": TwoRoomTask(TwoRoomArena([(40.0, 12.0), (112.0, 12.0), (190.0, 12.0)])),
    "arm": Arm(),
    "dot": Dot(),
}


@pytest.mark.parametrize("name", TASKS)
def test_it_keeps_the_contract(name: str) -> None:
    check_task(TASKS[name])


@pytest.mark.parametrize("mistake", WRONG, ids=lambda kind: kind.__name__)
def test_a_wrong_task_is_seen(mistake: type[Task]) -> None:
    with pytest.raises((AssertionError, LeWorldError)):
        check_task(mistake())
