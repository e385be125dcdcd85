import pytest

from tests.bad_input import rows_of
from tests.decoders.bad_inputs import ROWS
from tests.test_bad_inputs import fault


@pytest.mark.parametrize("row", rows_of(ROWS))
def test_bad_input(row) -> None:
    assert fault(row) is None
