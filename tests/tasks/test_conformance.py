"""Every registered task and a world of two lines keep the contract; wrong ones do not."""

import json
import re

import numpy as np
import pytest

from benchmarks.harness import RESULTS
from leworld.envs import TwoRoomArena
from leworld.errors import LeWorldError
from leworld.tasks import ArmTask, StateTask, Task, TwoRoomTask, get_task
from tests._source import ROOT
from tests.tasks.conformance import check_task
from tests.tasks.worlds import Dot, Feeling, Switched
from tests.tasks.wrong import WRONG

TASKS: dict[str, Task] = {
    "tworoom": get_task("tworoom"),
    "three doors": TwoRoomTask(TwoRoomArena([(40.0, 12.0), (112.0, 12.0), (190.0, 12.0)])),
    "arm": get_task("arm"),
    "pusht": get_task("pusht"),
    "arm of the published tolerance": ArmTask(0.05),
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


def guides_arm() -> StateTask:
    """The class that the guide shows, made."""
    page = (ROOT / "docs" / "guides" / "own_task.md").read_text(encoding="utf-8")
    code = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)[0]
    assert len(code[code.index("class Arm") :].splitlines()) <= 45
    shown: dict = {}
    exec(code, shown)
    return shown["Arm"]()


def test_the_guide_shows_the_arm_that_leworld_brings() -> None:
    shown, own = guides_arm(), ArmTask()
    check_task(shown)
    states = own.draw_states(40, np.random.default_rng(0))
    assert np.array_equal(shown.draw_states(40, np.random.default_rng(0)), states)
    actions = np.random.default_rng(1).uniform(-1, 1, (40, 2))
    moved = own.step(states, actions)
    assert np.allclose(shown.step(states, actions), moved)
    assert np.allclose(shown.distance(states, moved), own.distance(states, moved))
    assert np.array_equal(shown.reached(states, states[::-1]), own.reached(states, states[::-1]))
    pictures = shown.render(states, 48).astype(np.int64)
    assert np.abs(pictures - own.render(states, 48)).max() <= 1
    assert np.abs(pictures - own.render(moved, 48)).max() > 1
    assert shown.success_words == own.success_words
    assert dict(shown.quantities) == dict(own.quantities)


def test_the_shipped_arm_reaches_its_goals_and_is_what_the_recipe_makes() -> None:
    row, _ = json.loads((RESULTS / "lewm_arm_tiny.json").read_text(encoding="utf-8"))["rows"]
    assert row["LeWM"]["success"] >= 0.9
    assert row["LeWM"]["low"] > row["random"]["high"]
    assert row["pairs_played"] == 200
    assert row["cpu_seconds"] <= 360
    assert min(row["r2_shoulder_MLP"], row["r2_elbow_MLP"]) >= 0.98
    folder = ROOT / "leworld" / "hub" / "checkpoints" / "lewm-arm-tiny"
    facts = json.loads((folder / "config.json").read_text(encoding="utf-8"))["provenance"]
    due = json.loads(json.dumps(ArmTask().recipe().provenance()["recipe"]))
    assert facts["recipe"] == {name: due[name] for name in facts["recipe"]}  # later options are at rest


def test_the_shipped_push_t_model_reaches_its_goals_and_is_what_the_recipe_makes() -> None:
    probed, row, *_ = json.loads((RESULTS / "lewm_pusht_tiny.json").read_text(encoding="utf-8"))["rows"]
    assert row["protocol"] == "trajectory-25"
    assert row["pairs_played"] == 200
    assert row["LeWM"]["low"] >= 0.6
    assert row["LeWM"]["low"] > row["random"]["high"]
    assert probed["cpu_seconds"] <= 90 * 60
    folder = ROOT / "leworld" / "hub" / "checkpoints" / "lewm-pusht-tiny"
    facts = json.loads((folder / "config.json").read_text(encoding="utf-8"))["provenance"]
    due = json.loads(json.dumps(get_task("pusht").recipe().provenance()["recipe"]))
    assert facts["recipe"] == {name: due[name] for name in facts["recipe"]}  # later options are at rest
