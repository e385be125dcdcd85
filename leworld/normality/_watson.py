"""Watson's statistic: Cramer-von Mises without the mean."""

from typing import final

from jaxtyping import Float
from torch import Tensor

from .._checks import check_number, plain_numbers
from .._config import configurable
from .._precision import double
from .._typing import shapechecked
from ._limit_law import LIMIT_FROM, watson_tail
from ._null import simulated_p_value
from ._order import column, midpoints, normal_cdf, ordered
from ._statistic import UnivariateStatistic


@final
@configurable
class Watson(UnivariateStatistic):
    """Variance, in place of the mean square, of the difference between distribution functions.

    Made for angles: it does not change when all Phi(x) move round a circle. Trades sensitivity to shifts for
    sensitivity to scale and to two modes. Costs one sort.

    With W^2 the Cramer-von Mises statistic, u_i = Phi(x_(i)) and p_i = (2i - 1) / 2N:

        U^2 = W^2 - N (mean_i u_i - 1/2)^2 = 1 / (12 N) + sum_i ( u_i - p_i - mean_k (u_k - p_k) )^2

    Shapes: samples (*batch, sample, dim) -> (*batch, dim).

    Raises:
        ShapeError: For fewer than 2 samples, no coordinates or an input that is not floating-point.

    Numerics: the second form, which subtracts no large numbers. The gradient fades far out, as
    `CramerVonMises`'s does. Sorting is differentiable except where two samples are equal.

    Null distribution: mean exactly 1/12 for every N. The limit's tail is
    2 sum_k (-1)^(k-1) exp(-2 k^2 pi^2 U^2); `p_value` is that, within 0.01 from 20 samples on, and simulated
    below.

    Source: G. S. Watson, "Goodness-of-fit tests on a circle", Biometrika 48 (1961). lejepa's `Watson` is
    (U^2 - 1 / (12 N)) / N.

    Example:
        ```python
        import torch
        from leworld.normality import CramerVonMises, Watson

        samples = torch.randn(256, 8, generator=torch.Generator().manual_seed(0))
        assert (Watson()(samples) <= CramerVonMises()(samples)).all()
        ```
    """

    @plain_numbers
    def null_mean(self, num_samples: int) -> float:
        """Return 1/12, which holds for every number of samples."""
        del num_samples
        return 1 / 12

    @shapechecked
    def forward(self, samples: Float[Tensor, "*batch sample dim"]) -> Float[Tensor, "*batch dim"]:
        """Return the statistic of each coordinate."""
        x = ordered("Watson", samples)
        num_samples = x.shape[-2]
        error = normal_cdf(x) - column(midpoints(num_samples), x)
        error = error - error.mean(-2, keepdim=True)
        return error.square().sum(-2) + 1 / (12 * num_samples)

    @shapechecked
    def p_value(self, statistic: Float[Tensor, "*values"], num_samples: int) -> Float[Tensor, "*values"]:
        """Return the limit law's probability of at least `statistic`; simulated below 20 samples."""
        check_number("Watson", "num_samples", num_samples, low=2, integer=True)
        if num_samples < LIMIT_FROM:
            return simulated_p_value(self, statistic, num_samples)
        return watson_tail(double(statistic)).to(statistic)
