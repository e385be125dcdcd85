"""Tensors of the caller that are kept."""

import torch
from torch import Tensor


def owned(tensor: Tensor) -> Tensor:
    """Return a copy without gradient that shares no memory with `tensor`.

    It is a normal tensor, which gradients can pass, also when it is made under `torch.inference_mode`.
    """
    with torch.inference_mode(False):
        return tensor.detach().clone()
