"""The Anderson-Darling statistic: distance between distribution functions that weighs the tails."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import check_number, plain_numbers
from .._config import configurable
from .._precision import double
from .._typing import shapechecked
from ._limit_law import LIMIT_FROM, anderson_darling_tail
from ._null import simulated_p_value
from ._order import column, log_normal_cdf, midpoints, ordered
from ._statistic import UnivariateStatistic


@final
@configurable
class AndersonDarling(UnivariateStatistic):
    """Squared distance between distribution functions, weighted up in both tails, for the fixed N(0, 1).

    Sees shifts and a larger scale. Of the statistics of the distribution function it is the one whose
    gradient does not fade for samples far out. Costs one sort.

    With F_N the samples' distribution function and x_(1) <= ... <= x_(N):

        A^2 = N int (F_N - Phi)^2 / (Phi (1 - Phi)) dPhi
            = -N - 1/N sum_i (2i - 1) [ log Phi(x_(i)) + log Phi(-x_(N+1-i)) ]

    Shapes: samples (*batch, sample, dim) -> (*batch, dim).

    Raises:
        ShapeError: For fewer than 2 samples, no coordinates or an input that is not floating-point.

    Numerics: computed as 2 sum_i KL(p_i || Phi(x_(i))) plus a constant of N, with p_i = (2i - 1) / 2N and the
    Kullback-Leibler divergence of two coins: no N is subtracted from a sum of size N. Tails use log Phi
    itself, finite as far out as float32's squares reach, and so is the slope. Sorting is differentiable
    except where two samples are equal.

    Null distribution: mean exactly 1 for every N. The limit is the sum of chi^2_1 / (j (j + 1)); `p_value` is
    its tail, within 0.01 from 20 samples on, and simulated below.

    Source: T. W. Anderson and D. A. Darling, "A test of goodness of fit", JASA 49 (1954), with all parameters
    known. The scale is that of lejepa's `AndersonDarling` (factor 1).

    Example:
        ```python
        import torch
        from leworld.normality import AndersonDarling

        samples = torch.randn(256, 8, generator=torch.Generator().manual_seed(0))
        statistic = AndersonDarling()
        assert statistic.null_mean(256) == 1.0
        assert statistic.p_value(statistic(1.5 * samples), 256).max() < 0.01
        ```
    """

    @plain_numbers
    def null_mean(self, num_samples: int) -> float:
        """Return 1, which holds for every number of samples."""
        del num_samples
        return 1.0

    @shapechecked
    def forward(self, samples: Float[Tensor, "*batch sample dim"]) -> Float[Tensor, "*batch dim"]:
        """Return the statistic of each coordinate."""
        x = ordered("AndersonDarling", samples)
        num_samples = x.shape[-2]
        p = midpoints(num_samples)
        q = 1 - p
        constant = -num_samples - 2 * (torch.xlogy(p, p) + torch.xlogy(q, q)).sum()
        left = column(p, x) * (column(p.log(), x) - log_normal_cdf(x))
        right = column(q, x) * (column(q.log(), x) - log_normal_cdf(-x))
        return 2 * (left + right).sum(-2) + constant.to(device=x.device, dtype=x.dtype)

    @shapechecked
    def p_value(self, statistic: Float[Tensor, "*values"], num_samples: int) -> Float[Tensor, "*values"]:
        """Return the limit law's probability of at least `statistic`; simulated below 20 samples."""
        check_number("AndersonDarling", "num_samples", num_samples, low=2, integer=True)
        if num_samples < LIMIT_FROM:
            return simulated_p_value(self, statistic, num_samples)
        return anderson_darling_tail(double(statistic)).to(statistic)
