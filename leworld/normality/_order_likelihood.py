"""The likelihood of order statistics: how plausible each sample is at its own rank."""

import math
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import check_number, plain_numbers
from .._config import configurable
from .._typing import shapechecked
from ._order import column, log_normal_cdf, ordered, ranks
from ._statistic import UnivariateStatistic


@final
@configurable
class OrderStatisticLikelihood(UnivariateStatistic):
    """Mean negative log-likelihood of each sample under the law of the order statistic that it is.

    A neighbour of Anderson-Darling with a logarithmic density beside it: it sees what that sees, and every
    sample has a target of its own, the mode of its rank's density. Costs one sort.

    The i-th of N ordered standard normal samples has the density

        f_i(x) = N! / ((i - 1)! (N - i)!) Phi(x)^(i-1) Phi(-x)^(N-i) phi(x)

    and T = -1/N sum_i log f_i(x_(i)).

    Shapes: samples (*batch, sample, dim) -> (*batch, dim).

    Raises:
        ShapeError: For fewer than 2 samples, no coordinates or an input that is not floating-point.

    Numerics: in nats, and a log-density: it may be negative, and no value means a perfect match; compare with
    `null_mean`. The exponents multiply log Phi(x) - log((i-1)/(N-1)), small for a good fit, so that nothing
    of size N cancels. Tails use log Phi itself. Sorting is differentiable except where two samples are equal.

    Null distribution: the exact mean for every N, the average entropy of the order statistics, which tends to
    log(2 pi) - log(N) / 2. `p_value` is simulated.

    Source: the density is textbook (H. A. David and H. N. Nagaraja, "Order Statistics", 2003, equation
    2.1.6); as a loss R. Balestriero and Y. LeCun, "LeJEPA", arXiv 2511.08544. lejepa's `NLL` gives the terms
    of the mean, one a sample (factor 1 once averaged), and can leave out a central band of quantiles, which
    this does not.

    Example:
        ```python
        import torch
        from leworld.normality import OrderStatisticLikelihood

        samples = torch.randn(256, 8, generator=torch.Generator().manual_seed(0))
        statistic = OrderStatisticLikelihood()
        assert abs(statistic(samples).mean().item() - statistic.null_mean(256)) < 0.5
        assert (statistic(samples + 1) > statistic(samples)).all()
        ```
    """

    @plain_numbers
    def null_mean(self, num_samples: int) -> float:
        """Return 1/N sum_i entropy of the i-th order statistic, from digamma values, for every N."""
        check_number("OrderStatisticLikelihood", "num_samples", num_samples, low=2, integer=True)
        i = ranks(num_samples)
        total = torch.special.digamma(i.new_tensor(num_samples + 1.0))
        left = (i - 1) * (torch.special.digamma(i) - total)
        right = (num_samples - i) * (torch.special.digamma(num_samples + 1 - i) - total)
        density = math.log(2 * math.pi) / 2 + 0.5
        return density - (_log_counts(num_samples) + left + right).mean().item()

    @shapechecked
    def forward(self, samples: Float[Tensor, "*batch sample dim"]) -> Float[Tensor, "*batch dim"]:
        """Return the statistic of each coordinate."""
        x = ordered("OrderStatisticLikelihood", samples)
        num_samples = x.shape[-2]
        below = ranks(num_samples) - 1
        above = below.flip(0)
        p = below / (num_samples - 1)
        # log 0 at both ends has the exponent 0: any finite number will do
        log_p = p.clamp_min(0.5 / num_samples).log()
        log_q = log_p.flip(0)
        constant = (_log_counts(num_samples) + below * log_p + above * log_q).mean()
        left = column(below, x) * (log_normal_cdf(x) - column(log_p, x))
        right = column(above, x) * (log_normal_cdf(-x) - column(log_q, x))
        density = -x.square() / 2 - math.log(2 * math.pi) / 2
        return -(left + right + density).mean(-2) - constant.to(device=x.device, dtype=x.dtype)


def _log_counts(num_samples: int) -> Tensor:
    """Return log N! / ((i - 1)! (N - i)!) for i = 1..N."""
    i = ranks(num_samples)
    return torch.lgamma(i.new_tensor(num_samples + 1.0)) - torch.lgamma(i) - torch.lgamma(num_samples + 1 - i)
