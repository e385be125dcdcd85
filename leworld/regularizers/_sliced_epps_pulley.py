"""The Epps-Pulley statistic along given directions: what SIGReg and SubspaceSIGReg compute."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .._distributed import sum_over_ranks
from ..kernels import ecf_sums
from ..normality import EppsPulley

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


def sliced_epps_pulley(
    embeddings: Tensor,
    directions: Tensor,
    *,
    statistic: EppsPulley,
    implementation: str,
    group: "ProcessGroup | None",
) -> Tensor:
    """Return the statistic, averaged over directions (dim, slice) and leading axes, of all ranks' samples."""
    sums = ecf_sums(
        embeddings,
        directions,
        spacing=statistic.spacing,
        num_knots=statistic.num_knots - 1,
        implementation=implementation,
    )
    num_samples: int | Tensor = embeddings.shape[-2]
    if group is not None:
        total = sum_over_ranks(torch.cat([sums.flatten(), sums.new_full((1,), num_samples)]), group)
        sums, num_samples = total[:-1].view_as(sums), total[-1]
    return statistic.from_sums(sums, num_samples).mean()
