"""Every regularizer against the conformance suite, and the suite against regularizers that are wrong."""

from collections.abc import Callable

import pytest
from torch import nn

from tests.regularizers.conformance import CHECKS, REGULARIZERS
from tests.regularizers.test_sigreg import SIGREG_CHECKS
from tests.regularizers.wrong import WRONG


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", REGULARIZERS)
def test_conforms(name: str, check: Callable[[Callable[[], nn.Module]], None]) -> None:
    check(REGULARIZERS[name])


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_suite_rejects(wrong: type[nn.Module]) -> None:
    for check in (*CHECKS, *SIGREG_CHECKS):
        try:
            check(wrong)
        except (AssertionError, RuntimeError):
            return
    pytest.fail(f"no check noticed {wrong.__name__}")
