"""Every statistic against the conformance suite, and the suite against statistics that are wrong."""

from collections.abc import Callable

import pytest

from leworld.normality import UnivariateStatistic
from tests.normality.conformance import CHECKS, STATISTICS, check_published_quadrature
from tests.normality.wrong import WRONG, Rewritten


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", STATISTICS)
def test_conforms(name: str, check: Callable[[UnivariateStatistic], None]) -> None:
    check(STATISTICS[name])


def test_suite_accepts_the_base_of_the_wrong_ones() -> None:
    """So that each is rejected for its own mistake."""
    for check in (*CHECKS, check_published_quadrature):
        check(Rewritten())


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_suite_rejects(wrong: type[UnivariateStatistic]) -> None:
    statistic = wrong()
    for check in (*CHECKS, check_published_quadrature):
        try:
            check(statistic)
        except (AssertionError, RuntimeError):
            return
    pytest.fail(f"no check noticed {wrong.__name__}")
