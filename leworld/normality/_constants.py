"""Constants of a statistic as tensors, without making an accelerator wait for them."""

import torch
from torch import Tensor

_ON_DEVICE: dict[tuple[tuple[float, ...], torch.device, torch.dtype], Tensor] = {}


def constants(values: tuple[float, ...], like: Tensor) -> Tensor:
    """Return `values` as a tensor with the device and dtype of `like`.

    Copying from Python waits for the device and cannot be captured in a CUDA graph, so off the CPU the copy
    is made at the first call and kept. While torch.compile traces, they become constants of its graph.
    """
    if like.device.type == "cpu" or torch.compiler.is_compiling():
        return like.new_tensor(values)
    key = (values, like.device, like.dtype)
    found = _ON_DEVICE.get(key)
    if found is None:
        with torch.inference_mode(False):  # a tensor made in inference mode could not serve a backward pass
            found = torch.tensor(values, dtype=like.dtype, device=like.device)
        if type(found) is Tensor:  # never keep a stand-in that a tracer made
            _ON_DEVICE[key] = found
    return found
