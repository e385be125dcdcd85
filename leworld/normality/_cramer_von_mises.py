"""The Cramer-von Mises statistic: squared distance between distribution functions."""

from typing import final

from jaxtyping import Float
from torch import Tensor

from .._checks import check_number, plain_numbers
from .._config import configurable
from .._precision import double
from .._typing import shapechecked
from ._limit_law import LIMIT_FROM, cramer_von_mises_tail
from ._null import simulated_p_value
from ._order import column, midpoints, normal_cdf, ordered
from ._statistic import UnivariateStatistic


@final
@configurable
class CramerVonMises(UnivariateStatistic):
    """Squared distance between the samples' distribution function and the Gaussian's, for the fixed N(0, 1).

    Sees shifts, and little else: it looks mostly at the middle of the distribution. Costs one sort.

    With x_(1) <= ... <= x_(N):

        W^2 = N int (F_N - Phi)^2 dPhi = 1 / (12 N) + sum_i ( Phi(x_(i)) - (2i - 1) / 2N )^2

    Shapes: samples (*batch, sample, dim) -> (*batch, dim).

    Raises:
        ShapeError: For fewer than 2 samples, no coordinates or an input that is not floating-point.

    Numerics: bounded by N / 3. The gradient carries the Gaussian density, so a sample far out is hardly
    pulled back: past 6 its pull is below 1e-8. Sorting is differentiable except where two samples are equal.

    Null distribution: mean exactly 1/6 for every N. The limit is the sum of chi^2_1 / (j pi)^2; `p_value` is
    its tail, within 0.01 from 20 samples on, and simulated below.

    Source: H. Cramer (1928) and R. von Mises (1931); the limit law by N. V. Smirnov (1937). lejepa's
    `CramerVonMises` is (W^2 - 1 / (12 N)) / N.

    Example:
        ```python
        import torch
        from leworld.normality import CramerVonMises

        samples = torch.randn(256, 8, generator=torch.Generator().manual_seed(0))
        statistic = CramerVonMises()
        assert statistic.p_value(statistic(samples), 256).min() > 0.001
        assert statistic.p_value(statistic(samples + 0.5), 256).max() < 0.001
        ```
    """

    @plain_numbers
    def null_mean(self, num_samples: int) -> float:
        """Return 1/6, which holds for every number of samples."""
        del num_samples
        return 1 / 6

    @shapechecked
    def forward(self, samples: Float[Tensor, "*batch sample dim"]) -> Float[Tensor, "*batch dim"]:
        """Return the statistic of each coordinate."""
        x = ordered("CramerVonMises", samples)
        num_samples = x.shape[-2]
        error = normal_cdf(x) - column(midpoints(num_samples), x)
        return error.square().sum(-2) + 1 / (12 * num_samples)

    @shapechecked
    def p_value(self, statistic: Float[Tensor, "*values"], num_samples: int) -> Float[Tensor, "*values"]:
        """Return the limit law's probability of at least `statistic`; simulated below 20 samples."""
        check_number("CramerVonMises", "num_samples", num_samples, low=2, integer=True)
        if num_samples < LIMIT_FROM:
            return simulated_p_value(self, statistic, num_samples)
        return cramer_von_mises_tail(double(statistic)).to(statistic)
