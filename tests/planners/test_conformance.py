import pytest

from tests.planners.conformance import CHECKS, PLANNERS, check_optimum, check_problems
from tests.planners.problems import PROBLEMS
from tests.planners.wrong import RIGHT, WRONG


def cases():
    for entry in PLANNERS:
        for problem in PROBLEMS:
            if entry.needs_gradient and not problem.smooth:
                continue  # a gradient planner claims nothing where the cost has no slope
            for batch in (1, 3):
                for horizon in (1, 5, 25):
                    if entry.wrapper and (batch, horizon) != (3, 5):
                        continue  # the wrapped planner runs at every size
                    if horizon > 5 and not entry.long_horizon:
                        continue
                    yield pytest.param(
                        entry, problem, batch, horizon, id=f"{entry}-{problem.name}-{batch}-{horizon}"
                    )


@pytest.mark.parametrize(("entry", "problem", "batch", "horizon"), list(cases()))
def test_optimum(entry, problem, batch, horizon):
    check_optimum(entry, problem, batch, horizon)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("entry", PLANNERS, ids=str)
def test_promise(entry, check):
    check(entry)


@pytest.mark.parametrize("entry", WRONG, ids=str)
def test_the_suite_rejects(entry):
    check, reason = WRONG[entry]
    with pytest.raises(AssertionError, match=reason):
        check(entry)


@pytest.mark.parametrize("check", [*CHECKS, check_problems], ids=lambda check: check.__name__)
def test_the_suite_accepts_an_unbroken_planner(check):
    check(RIGHT)
