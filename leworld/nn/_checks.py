"""How the layers of this room word a wrong last axis."""

from torch import Tensor

from .._checks import check_equal_size


def check_last_axis(owner: str, name: str, tensor: Tensor, due: int, argument: str) -> None:
    """Refuse a tensor whose last axis is not the size that the constructor's `argument` set."""
    check_equal_size(
        owner,
        f"the last axis of `{name}`",
        tensor.shape[-1],
        due,
        expected_by=f"its `{argument}`",
        fix=f"Pass `{name}` of that size, or build {owner} with another `{argument}`",
    )
