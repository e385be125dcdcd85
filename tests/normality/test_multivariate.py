"""Every multivariate statistic against its conformance suite, and the suite against wrong ones."""

from collections.abc import Callable

import pytest

from leworld.normality import MultivariateStatistic
from tests.normality.multivariate import CHECKS, MULTIVARIATE
from tests.normality.wrong import WRONG_MULTIVARIATE


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", MULTIVARIATE)
def test_conforms(name: str, check: Callable[[MultivariateStatistic], None]) -> None:
    check(MULTIVARIATE[name])


@pytest.mark.parametrize("wrong", WRONG_MULTIVARIATE, ids=lambda wrong: wrong.__name__)
def test_suite_rejects(wrong: type[MultivariateStatistic]) -> None:
    statistic = wrong()
    for check in CHECKS:
        try:
            check(statistic)
        except (AssertionError, RuntimeError):
            return
    pytest.fail(f"no check noticed {wrong.__name__}")
