"""Matrix products that keep the digits of their dtype."""

import torch
from torch import Tensor


def product(left: Tensor, right: Tensor) -> Tensor:
    """Return left @ right; on a CPU with float32's digits, whatever torch's matrix-product precision says.

    `torch.set_float32_matmul_precision("medium")` lets a CPU multiply float32 in bfloat16, three digits of
    seven. That is for networks, whose weights train along; a statistic is compared with a distribution. So
    products are then made in float64 and rounded. On other devices and in compiled graphs the setting counts.
    """
    if left.dtype != torch.float32 or left.device.type != "cpu" or torch.compiler.is_compiling():
        return left @ right
    return (left.double() @ right.double()).float() if reduced() else left @ right


def reduced() -> bool:
    """Whether torch may multiply float32 with fewer digits."""
    try:
        return torch.get_float32_matmul_precision() != "highest"
    except RuntimeError:  # the newer settings, one a backend, were used too, and torch refuses to sum them up
        return True
