"""Samples brought to mean 0 and variance 1, without dividing by zero when they coincide."""

import torch
from torch import Tensor


def standardised(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return (x - mean) / std along the sample axis, with the population's std, and that std.

    Coinciding samples become zeros, with zero gradient.
    """
    centred = x - x.mean(-2, keepdim=True)
    variance = centred.square().mean(-2, keepdim=True)
    scale = variance.clamp_min(torch.finfo(x.dtype).tiny).sqrt()
    return centred / scale, scale.squeeze(-2)
