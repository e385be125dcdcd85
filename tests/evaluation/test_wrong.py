"""Our evaluation and draws pass the checks of this room, and each wrong one fails them."""

from functools import partial

import pytest

from leworld.errors import LeWorldError
from leworld.evaluation import diagnose, goal_reaching, trajectory_pairs
from tests.evaluation import checks, diagnosed, wrong

REMEMBERED = diagnosed.remembered(diagnose)
SUITES = {
    "goal_reaching": (checks.check_evaluation, partial(goal_reaching, progress=False), wrong.EVALUATIONS),
    "trajectory_pairs": (checks.check_trajectory_pairs, trajectory_pairs, wrong.DRAWS),
    "diagnose": (
        diagnosed.check_diagnosis,
        diagnose,
        {name: mistake(REMEMBERED) for name, mistake in diagnosed.WRONG.items()},
    ),
}


@pytest.mark.parametrize("name", SUITES)
def test_ours_passes(name: str) -> None:
    check, ours, _ = SUITES[name]
    check(ours)


def test_the_second_evaluation_is_right_without_a_mistake() -> None:
    checks.check_evaluation(wrong.evaluate)


@pytest.mark.parametrize(("name", "mistake"), [(n, m) for n, (_, _, table) in SUITES.items() for m in table])
def test_a_wrong_one_is_rejected(name: str, mistake: str) -> None:
    check, _, table = SUITES[name]
    with pytest.raises((AssertionError, LeWorldError)):
        check(table[mistake])
