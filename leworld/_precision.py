"""Numbers of 64 bits, also for tensors on a device that has none."""

import torch
from torch import Tensor

_WITHOUT = ("mps",)  # kinds of device that refuse float64 and complex128


def has_float64(device: torch.device) -> bool:
    """Whether a device computes in float64."""
    return device.type not in _WITHOUT


def double(tensor: Tensor) -> Tensor:
    """Return a tensor in float64: where it is, or on the CPU if its device has no float64."""
    return tensor.double() if has_float64(tensor.device) else tensor.cpu().double()


def double_sum(tensor: Tensor, dim: int | tuple[int, ...]) -> Tensor:
    """Return the sum over axes taken in float64: where the tensor is, or on the CPU."""
    return tensor.sum(dim, dtype=torch.float64) if has_float64(tensor.device) else double(tensor).sum(dim)


def back(value: Tensor, device: torch.device) -> Tensor:
    """Return a float64 value on a device: as it is, or in float32 if the device has no float64."""
    return value if has_float64(device) else value.float().to(device)
