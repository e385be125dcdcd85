"""What the measures of pictures ask of their two arguments."""

from torch import Tensor

from .._checks import describe
from ..errors import ShapeError


def check_same_shape(owner: str, predicted: Tensor, truth: Tensor) -> None:
    """Raise `ShapeError` unless there is one true picture for each predicted one."""
    if predicted.shape != truth.shape:
        raise ShapeError(
            f"{owner} needs one picture of `truth` for each of `predicted`",
            f"`predicted` is {describe(predicted)} and `truth` {describe(truth)}",
            "Expand the one with fewer pictures: `truth.expand_as(predicted)`",
        )
