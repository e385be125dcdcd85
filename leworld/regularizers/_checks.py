"""Checks that all regularizers share: axes in the right place, and finite values where asking is free."""

import inspect
import math
import warnings

import torch
from torch import Tensor

from .._checks import check_finite, check_samples, describe
from ..errors import NonFiniteError

# Packages with frames between a user's line and a check: torch calls modules, the others check shapes.
_BETWEEN = ("leworld", "torch", "jaxtyping", "beartype")


def check_embeddings(owner: str, embeddings: Tensor, *, low: int = 2) -> None:
    """Check the axes of (*batch, sample, dim), and warn when they look like (batch, time, dim)."""
    check_samples(owner, "embeddings", embeddings, low=low)
    if embeddings.ndim != 3 or torch.compiler.is_compiling():
        return
    leading, samples, dim = embeddings.shape
    if samples < leading:
        warnings.warn(
            f"{owner} reads `embeddings` of shape ({leading}, {samples}, {dim}) as {leading} groups along "
            f"axis 0, sample={samples} along axis 1 and dim={dim}; so few samples say little about a "
            "distribution. If the axes are (batch, time, dim), pass `embeddings.transpose(0, 1)`: it judges "
            "each time step over the batch.",
            UserWarning,
            stacklevel=_level_of_caller(),
        )


def _level_of_caller() -> int:
    """Return the stack level, seen from the calling function, of the code that called into the library."""
    frame, level = inspect.currentframe(), 0
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _BETWEEN:
        frame, level = frame.f_back, level + 1
    return level


def checked_value(owner: str, value: Tensor, embeddings: Tensor, *, shared: bool = False) -> Tensor:
    """Return `value`, or say why it is not finite. Looks only on a CPU, where looking costs nothing."""
    if embeddings.device.type != "cpu" or torch.compiler.is_compiling() or math.isfinite(value.item()):
        return value
    check_finite(owner, "embeddings", embeddings)
    if shared:
        raise NonFiniteError(
            f"{owner} needs finite `embeddings` on every rank of its group",
            "they are finite on this rank and the statistic is not",
            "Look at the other ranks' messages",
        )
    raise NonFiniteError(
        f"{owner} needs `embeddings` whose projections are finite",
        f"{describe(embeddings)} holds entries of up to {embeddings.abs().max().item():g}",
        "Lower the learning rate or normalise the embeddings",
    )
