"""Jarque-Bera: skewness and kurtosis; extended, with mean and variance beside them."""

from typing import final

from jaxtyping import Float
from torch import Tensor

from .._checks import accumulation_dtype, check_number, check_samples, plain_numbers
from .._config import configurable
from .._typing import shapechecked
from ._standardise import standardised
from ._statistic import UnivariateStatistic


@final
@configurable
class JarqueBera(UnivariateStatistic):
    """Squared skewness and excess kurtosis, in units of their variances under the null.

    Sees the shape only: any shift and any scale gives the same value; use `ExtendedJarqueBera` where those
    count. Linear in samples, no sort, and blind to whatever leaves four moments alone. Its gradient grows
    with the cube of an outlier's distance.

    With s^2 the population variance, g = mean ((x - mean) / s)^3 and k = mean ((x - mean) / s)^4:

        JB = N / 6 ( g^2 + (k - 3)^2 / 4 )

    Shapes: samples (*batch, sample, dim) -> (*batch, dim).

    Raises:
        ShapeError: For fewer than 2 samples, no coordinates or an input that is not floating-point.

    Numerics: samples are standardised before they are cubed. When all samples coincide the value is 3 N / 8
    with zero gradient.

    Null distribution: the exact mean for every N, from the moments of g and k; it tends to 2. The limit,
    chi^2 with 2 degrees of freedom, is poor below thousands of samples, so `p_value` is simulated.

    Source: C. M. Jarque and A. K. Bera, "A test for normality of observations and regression residuals",
    International Statistical Review 55 (1987). The scale is that of lejepa's `JarqueBera` (factor 1).

    Example:
        ```python
        import torch
        from leworld.normality import JarqueBera

        samples = torch.randn(256, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        statistic = JarqueBera()
        assert torch.allclose(statistic(3 * samples + 1), statistic(samples))
        assert 1.5 < statistic.null_mean(256) < 2
        ```
    """

    @plain_numbers
    def null_mean(self, num_samples: int) -> float:
        """Return N / 6 (Var g + (Var k + (E k - 3)^2) / 4) with R. A. Fisher's moments of g and k (1930)."""
        check_number("JarqueBera", "num_samples", num_samples, low=2, integer=True)
        return _null_mean(num_samples)

    @shapechecked
    def forward(self, samples: Float[Tensor, "*batch sample dim"]) -> Float[Tensor, "*batch dim"]:
        """Return the statistic of each coordinate."""
        check_samples("JarqueBera", "samples", samples)
        return _shape(samples.to(accumulation_dtype(samples.dtype)))


@final
@configurable
class ExtendedJarqueBera(UnivariateStatistic):
    """Mean, variance, skewness and kurtosis, each squared in units of its variance under the null.

    The cheapest statistic that sees shift, scale, skew and tails: linear in samples and without a sort. Blind
    to whatever leaves four moments alone, and its gradient grows with the cube of an outlier's distance.

    With s^2 the unbiased variance and JB as in `JarqueBera`:

        T = N mean^2 + (N - 1) (s^2 - 1)^2 / 2 + JB

    Shapes: samples (*batch, sample, dim) -> (*batch, dim).

    Raises:
        ShapeError: For fewer than 2 samples, no coordinates or an input that is not floating-point.

    Numerics: as for `JarqueBera`. When all samples coincide at c the value is N c^2 + (N - 1) / 2 + 3 N / 8,
    and only the first term pulls.

    Null distribution: the mean is exactly 2 plus `JarqueBera`'s for every N; it tends to 4. The limit is
    chi^2 with 4 degrees of freedom; `p_value` is simulated.

    Source: R. Balestriero and Y. LeCun, "LeJEPA", arXiv 2511.08544. Difference: its first term is N mean^2 /
    s^2; the target's variance is 1, and dividing by s^2 rewards a larger scale, has no mean under the null
    for N <= 3 and is undefined at collapse. Where s = 1 both agree (factor 1).

    Example:
        ```python
        import torch
        from leworld.normality import ExtendedJarqueBera

        samples = torch.randn(256, 8, generator=torch.Generator().manual_seed(0))
        statistic = ExtendedJarqueBera()
        assert (statistic(samples + 0.5) > statistic(samples)).all()
        assert (statistic(2 * samples) > statistic(samples)).all()
        ```
    """

    @plain_numbers
    def null_mean(self, num_samples: int) -> float:
        """Return 2 plus the mean of `JarqueBera`: mean and variance terms have mean 1 for every N."""
        check_number("ExtendedJarqueBera", "num_samples", num_samples, low=2, integer=True)
        return 2 + _null_mean(num_samples)

    @shapechecked
    def forward(self, samples: Float[Tensor, "*batch sample dim"]) -> Float[Tensor, "*batch dim"]:
        """Return the statistic of each coordinate."""
        check_samples("ExtendedJarqueBera", "samples", samples)
        x = samples.to(accumulation_dtype(samples.dtype))
        num_samples = x.shape[-2]
        scale = (num_samples - 1) / 2 * (x.var(-2) - 1).square()
        return num_samples * x.mean(-2).square() + scale + _shape(x)


def _shape(x: Tensor) -> Tensor:
    z, _ = standardised(x)
    square = z.square()
    skewness = (square * z).mean(-2)
    excess = square.square().mean(-2) - 3
    return x.shape[-2] / 6 * (skewness.square() + excess.square() / 4)


def _null_mean(num_samples: int) -> float:
    n = num_samples
    skewness = 6 * (n - 2) / ((n + 1) * (n + 3))
    kurtosis = 24 * n * (n - 2) * (n - 3) / ((n + 1) ** 2 * (n + 3) * (n + 5))
    bias = 3 * (n - 1) / (n + 1) - 3
    return n / 6 * (skewness + (kurtosis + bias**2) / 4)
