"""`check_finite` takes a shortcut by the sum, which neither lets a bad entry pass nor refuses large ones."""

import pytest
import torch

from leworld._checks import check_finite
from leworld._tensors import is_finite
from leworld.errors import NonFiniteError

INF = float("inf")


@pytest.mark.parametrize("entries", [[1.0, INF], [INF, -INF], [float("nan"), 0.0], [-INF, 1e30], [3e38, INF]])
def test_a_bad_entry_is_found(entries: list[float]) -> None:
    tensor = torch.tensor(entries, dtype=torch.float32)
    assert not is_finite(tensor)
    with pytest.raises(NonFiniteError, match="entries of"):
        check_finite("test", "tensor", tensor)


@pytest.mark.parametrize("entries", [[3e38, 3e38], [-3e38] * 3, [], [0.0]])
def test_what_adds_up_to_infinity_is_finite(entries: list[float]) -> None:
    tensor = torch.tensor(entries, dtype=torch.float32)
    assert is_finite(tensor)
    check_finite("test", "tensor", tensor)
    check_finite("test", "tensor", torch.tensor([], dtype=torch.float32))
    check_finite("test", "tensor", torch.ones(3, dtype=torch.float32, requires_grad=True))
    check_finite("test", "tensor", torch.ones(3, dtype=torch.int64))
    assert is_finite(torch.full((8,), 60000.0, dtype=torch.float16))
