"""Samples brought to mean 0 and variance 1, without dividing by zero when they coincide."""

import torch
from torch import Tensor

from .._samples import centred


def standardised(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return (x - mean) / std along the sample axis, with the population's std, and that std.

    Coinciding samples become zeros, with zero gradient, and their std 1.
    """
    rest = centred(x)
    largest = rest.detach().abs().amax(-2, keepdim=True)
    largest = torch.where(largest > 0, largest, 1.0)  # no square under- or overflows
    unit = rest / largest
    variance = unit.square().mean(-2, keepdim=True)
    scale = torch.where(variance > 0, variance, 1.0).sqrt()
    return unit / scale, scale * largest
