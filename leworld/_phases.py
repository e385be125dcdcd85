"""Where in a turn numbers are that are so large that their float32 products no longer tell."""

import math

import torch
from torch import Tensor

from ._precision import has_float64

FAR = 4096.0  # radians from which on a phase in float32 has lost half of its digits


def without_turns(numbers: Tensor, frequency: float) -> Tensor:
    """Return the rest of numbers after division by 2 pi / frequency, computed in float64.

    Sine and cosine of every multiple of frequency x number stay what they are, and the derivative is 1. The
    dtype is float64. On a device without float64 the numbers stay as they are.
    """
    return torch.fmod(numbers.double(), 2 * math.pi / frequency) if has_float64(numbers.device) else numbers


def reaches(numbers: Tensor, bound: float) -> bool:
    """Whether the largest size in a float32 tensor on the CPU is finite and at least that; one pass."""
    if numbers.dtype != torch.float32 or numbers.device.type != "cpu" or not numbers.numel():
        return False
    low, high = torch.aminmax(numbers.detach())
    return bound <= max(-low.item(), high.item()) < math.inf
