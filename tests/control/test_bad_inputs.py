import pytest

from tests.control.bad_inputs import ROWS


@pytest.mark.shapecheck  # many rows are refused by the annotations
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_bad_input(row):
    with pytest.raises(row.error) as caught:
        row.call()
    for words in row.mentions:
        assert words in str(caught.value), str(caught.value)
    assert all((caught.value.rule, caught.value.got, caught.value.fix))
