"""Whether torch transforms the function that is running: torch.func, or forward-mode derivatives."""

import importlib
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

_functorch: Any = importlib.import_module("torch._C._functorch")


def transforming() -> bool:
    """Whether a transform of torch.func (grad, vmap, jvp, ...) or a level of forward mode is active.

    An operation that knows backward mode only must then step aside for plain PyTorch: torch.func cannot see
    through it, and forward mode drops its derivative without a word.
    """
    return torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0


def readable(tensor: Tensor) -> bool:
    """Whether the program may look at the numbers of a tensor: not where vmap maps over it.

    While torch.compile traces nothing is known of that, and the answer is yes.
    """
    if torch.compiler.is_compiling():
        return True
    while _functorch.is_functorch_wrapped_tensor(tensor):
        if _functorch.is_batchedtensor(tensor):
            return False
        tensor = _functorch.get_unwrapped(tensor)
    return True


def looks(value: Tensor) -> bool:
    """Whether a value is looked at: not on a device, which would have to be waited for, nor under vmap."""
    return value.device.type == "cpu" and not torch.compiler.is_compiling() and readable(value)


def fused_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, **options: Any
) -> Tensor:
    """Call torch's scaled dot product attention; within a transform without its fused kernels.

    These know backward mode to first order only.
    """
    if not transforming():
        return F.scaled_dot_product_attention(query, key, value, mask, **options)
    with sdpa_kernel(SDPBackend.MATH):
        return F.scaled_dot_product_attention(query, key, value, mask, **options)


def differentiated(tensor: Tensor) -> bool:
    """Whether torch.func or forward mode differentiates a tensor; backward mode does not count."""
    while transforming():
        if tensor.requires_grad or forward_ad.unpack_dual(tensor).tangent is not None:
            return True
        if not _functorch.is_functorch_wrapped_tensor(tensor):
            return False
        tensor = _functorch.get_unwrapped(tensor)
    return False
