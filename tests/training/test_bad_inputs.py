"""Mistakes earn errors that say what was wrong."""

import pytest

from tests.bad_input import rows_of
from tests.training.bad_inputs import ROWS


@pytest.mark.parametrize("row", rows_of(ROWS))
def test_mistakes_are_told(row):
    with pytest.raises(row.error) as caught:
        row.call()
    for word in row.mentions:
        assert word in str(caught.value)
