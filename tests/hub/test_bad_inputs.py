"""The room's rows of the bad-input table, run alone, and that nothing is written by any of them."""

from pathlib import Path

import pytest

from tests.bad_input import BadInput, rows_of
from tests.hub.bad_inputs import ROWS


@pytest.mark.parametrize("row", rows_of(ROWS))
def test_row(row: BadInput) -> None:
    with pytest.raises(row.error) as caught:
        row.call()
    message = str(caught.value)
    assert all(word in message for word in row.mentions), message
    assert not Path("/nowhere").exists()
