import pytest

from tests.bad_input import rows_of
from tests.explorer.bad_inputs import ROWS


@pytest.mark.parametrize("row", rows_of(ROWS))
def test_bad_input(row):
    with pytest.raises(row.error) as caught:
        row.call()
    for words in row.mentions:
        assert words in str(caught.value), str(caught.value)
    assert all((caught.value.rule, caught.value.got, caught.value.fix))
