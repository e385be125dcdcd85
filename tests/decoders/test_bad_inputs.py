import pytest

from tests.decoders.bad_inputs import ROWS
from tests.test_bad_inputs import fault


@pytest.mark.shapecheck  # many rows are refused by the annotations
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_bad_input(row) -> None:
    assert fault(row) is None
