"""The scale of values, followed over training."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .._checks import check_number
from .._config import configurable
from .._typing import shapechecked
from ..errors import ShapeError


@final
@configurable
class RunningScale(nn.Module):
    r"""Divide by a running estimate of how far values spread, so that one entropy weight suits all tasks.

    $$ S \leftarrow S + \tau \, (\max(p_{95} - p_5, 1) - S) $$

    with the percentiles of each batch that `update` is given, and S = 1 at first. A batch that holds NaN or
    infinity, or whose spread overflows, leaves S as it is.

    Shapes:
        values (*batch) -> (*batch).

    Args:
        rate: The share tau by which an update moves it.

    Attributes:
        scale: S.

    Raises:
        ConfigError: If the rate is not in (0, 1].
        ShapeError: If an update holds no value.

    Source: Hansen, Su and Wang, TD-MPC2, 2024 (arXiv 2310.16828), and its code.

    Example:
        ```python
        import torch
        from leworld.heads import RunningScale

        scale = RunningScale(rate=1.0)
        scale.update(torch.linspace(0.0, 100.0, 101))
        assert torch.allclose(scale(torch.tensor(180.0)), torch.tensor(2.0))
        ```
    """

    scale: Tensor

    def __init__(self, rate: float = 0.01) -> None:
        super().__init__()
        check_number("RunningScale", "rate", rate, low=0.0, high=1.0, open_low=True)
        self.rate = rate
        self.register_buffer("scale", torch.ones((), dtype=torch.float32))

    @shapechecked
    @torch.no_grad()
    def update(self, values: Float[Tensor, "*batch"]) -> None:
        """Take in the spread of a batch of values, unless one of them is NaN or infinite."""
        if not values.numel():
            raise ShapeError(
                "RunningScale.update needs at least one value", "it was given none", "Skip empty batches"
            )
        flat = values.detach().flatten().to(torch.promote_types(values.dtype, torch.float32))
        ends = torch.quantile(flat, torch.tensor((0.05, 0.95), dtype=flat.dtype, device=flat.device))
        spread = (ends[1] - ends[0]).clamp(min=1.0).to(self.scale)
        usable = flat.isfinite().all() & spread.isfinite()  # decided on the device, without waiting for it
        self.scale.copy_(torch.where(usable, self.scale.lerp(spread, self.rate), self.scale))

    @shapechecked
    def forward(self, values: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Return the values in units of the scale."""
        return values / self.scale
