"""Mistakes earn errors that say what was wrong."""

import pytest

from tests.training.bad_inputs import ROWS


@pytest.mark.shapecheck  # many rows are refused by the annotations
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_mistakes_are_told(row):
    with pytest.raises(row.error) as caught:
        row.call()
    for word in row.mentions:
        assert word in str(caught.value)
