"""Every incremental predictor conforms, and every wrong one is rejected by the check that is meant for it."""

import pytest

from tests.predictors import incremental_checks as checks
from tests.predictors.cases import INCREMENTAL
from tests.predictors.incremental_wrong import RIGHT, WRONG, fresh


@pytest.mark.parametrize("check", checks.ALL, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", INCREMENTAL)
def test_conforms(name: str, check) -> None:
    check(INCREMENTAL[name])


def rejecting(kind) -> list[str]:
    caught = []
    for check in checks.ALL:
        try:
            check(lambda: fresh(kind))
        except AssertionError:
            caught.append(check.__name__)
    return caught


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_a_wrong_predictor_is_rejected(wrong) -> None:
    assert WRONG[wrong] in rejecting(wrong)


@pytest.mark.parametrize("right", RIGHT, ids=lambda right: right.__name__)
def test_the_right_ones_that_they_derive_from_are_not(right) -> None:
    assert not rejecting(right)
