"""Samples (*batch, sample, dim) brought to a centre, and compared with one another, without losing digits."""

import torch
from torch import Tensor

from ._precision import double

_TIE = 2.0**-51  # of the squared norms of two samples: a squared distance below is rounding


def centred(samples: Tensor) -> Tensor:
    """Return samples minus their mean; exactly zero where all are equal, whatever the mean rounds to."""
    rest = samples - samples.narrow(-2, 0, 1).detach()
    return rest - rest.mean(-2, keepdim=True)


def around_middle(samples: Tensor) -> tuple[Tensor, Tensor]:
    """Return each coordinate's median sample, which has no gradient, and the samples minus it.

    No distance sees what is subtracted. A few samples far out move a mean, and then leave no digits of the
    distances between the others; they do not move this.
    """
    count = samples.shape[-2]
    middle = samples.detach().sort(-2).values.narrow(-2, count // 2, 1)
    return middle, samples - middle


def squared_distances(rest: Tensor) -> Tensor:
    """Return |x_j - x_k|^2 in float64 for samples around their middle: 0 for equal ones, and never below.

    On the CPU for samples on a device that has no float64.
    """
    wide = double(rest)
    with torch.autocast(wide.device.type, enabled=False):
        gram = wide @ wide.mT
    norms = gram.diagonal(dim1=-2, dim2=-1)
    sums = norms.unsqueeze(-1) + norms.unsqueeze(-2)
    squares = sums - 2 * gram
    same = squares <= _TIE * sums
    return squares.masked_fill(same, 0)
