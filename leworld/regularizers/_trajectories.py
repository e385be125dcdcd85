"""Checks that the losses over trajectories (*batch, time, dim) share."""

from torch import Tensor

from .._checks import check_finite, check_size, describe
from .._transforms import looks
from ..errors import NonFiniteError, ShapeError


def check_trajectories(owner: str, embeddings: Tensor, *, low: int) -> None:
    """Raise `ShapeError` unless there are at least `low` time steps and no axis is empty."""
    check_size(owner, "embeddings", embeddings, -2, "time", low=low, fix="Pass longer windows")
    check_size(owner, "embeddings", embeddings, -1, "dim", low=1, fix="Pass at least one coordinate")
    if 0 in embeddings.shape[:-2]:
        raise ShapeError(
            f"{owner} needs at least one trajectory",
            f"`embeddings` is {describe(embeddings)}",
            "Skip the call when there is nothing to judge",
        )


def finite_loss(owner: str, value: Tensor, **inputs: Tensor) -> Tensor:
    """Return `value`, or say which input made it NaN or infinite. Looks only on a CPU, where it is free."""
    if not looks(value) or value.isfinite():
        return value
    for name, tensor in inputs.items():
        check_finite(owner, name, tensor)
    raise NonFiniteError(
        f"{owner} needs inputs whose loss is finite",
        f"the loss is {value.item():g} although all inputs are finite",
        "Lower the learning rate or normalise the inputs",
    )
