"""BHEP and Henze-Zirkler: Epps-Pulley's idea in many dimensions at once, in closed form."""

from typing import final

from jaxtyping import Float
from torch import Tensor

from .._checks import check_number, plain_numbers
from .._config import configurable
from .._typing import shapechecked
from ._multivariate import MultivariateStatistic
from ._pairs import check_sizes, checked_samples, squared_distances


@final
@configurable
class BHEP(MultivariateStatistic):
    """Squared distance between the samples' characteristic function in R^dim and that of N(0, I), times N.

    No directions, no quadrature: the integral over all frequencies, by the method of Baringhaus, Henze, Epps
    and Pulley. Costs sample^2 x dim.

    With phi_N the samples' characteristic function and frequencies weighed by N(0, beta^2 I):

        T = N int | phi_N(t) - exp(-|t|^2 / 2) |^2 N(t; 0, beta^2 I) dt
          = 1/N sum_jk exp(-beta^2 |x_j - x_k|^2 / 2)
            - 2 (1 + beta^2)^(-dim/2) sum_j exp(-beta^2 |x_j|^2 / (2 (1 + beta^2))) + N (1 + 2
            beta^2)^(-dim/2)

    Shapes: samples (*batch, sample, dim) -> (*batch).

    Args:
        beta: Width of the weight over frequencies, above 0. Distances between samples grow like sqrt(2 dim),
            so choose beta near 1 / sqrt(2 dim): far above it the samples do not see each other and far below
            it only their mean and covariance count.

    Raises:
        ShapeError: For fewer than 2 samples, no coordinates or an input that is not floating-point.
        ConfigError: For an option out of range.

    Numerics: the three parts are joined within each pair before they are summed, so that no N cancels.
    Bounded by about N, with a bounded gradient that fades far out. At collapse on 0 the gradient is exactly
    zero.

    Null distribution: mean exactly 1 - (1 + 2 beta^2)^(-dim/2) for every N; `p_value` is simulated.

    Source: L. Baringhaus and N. Henze, "A consistent test for multivariate normality based on the empirical
    characteristic function", Metrika 35 (1988), there for standardised samples; here mean 0 and covariance I
    are part of what is tested. lejepa's `BHEP` is T / N, with beta 0.1.

    Example:
        ```python
        import torch
        from leworld.normality import BHEP

        samples = torch.randn(256, 8, generator=torch.Generator().manual_seed(0))
        statistic = BHEP(0.25)
        assert statistic(samples) < 2 * statistic.null_mean(256, 8) < statistic(2 * samples)
        ```
    """

    def __init__(self, beta: float = 0.1) -> None:
        super().__init__()
        check_number("BHEP", "beta", beta, low=0, open_low=True)
        self.beta = float(beta)

    @plain_numbers
    def null_mean(self, num_samples: int, dim: int) -> float:
        """Return 1 - (1 + 2 beta^2)^(-dim/2), which holds for every number of samples."""
        check_sizes("BHEP", num_samples, dim)
        return _null_mean(self.beta, dim)

    @shapechecked
    def forward(self, samples: Float[Tensor, "*batch sample dim"]) -> Float[Tensor, "*batch"]:
        """Return the statistic of each leading index."""
        return _bhep(checked_samples("BHEP", samples), self.beta)

    def extra_repr(self) -> str:
        """Show the settings."""
        return f"beta={self.beta}"


@final
@configurable
class HenzeZirkler(MultivariateStatistic):
    """`BHEP` with the width that Henze and Zirkler tie to the number of samples and dimensions.

    The usual multivariate test of normality, for a handful of dimensions: its beta stays near 0.7, so that in
    tens of dimensions pairs no longer see each other and the statistic tends to 1 whatever the samples are.
    Costs sample^2 x dim.

    The formula is `BHEP`'s with beta = ((2 dim + 1) N / 4)^(1 / (dim + 4)) / sqrt(2).

    Shapes: samples (*batch, sample, dim) -> (*batch).

    Raises:
        ShapeError: For fewer than 2 samples, no coordinates or an input that is not floating-point.

    Numerics: as for `BHEP`.

    Null distribution: `BHEP`'s exact mean; it depends on N through beta. `p_value` is simulated.

    Source: N. Henze and B. Zirkler, "A class of invariant consistent tests for multivariate normality",
    Communications in Statistics 19 (1990), there for standardised samples; here mean 0 and covariance I are
    part of what is tested. lejepa's `HZ` is T / N.

    Example:
        ```python
        import torch
        from leworld.normality import BHEP, HenzeZirkler

        samples = torch.randn(256, 3, generator=torch.Generator().manual_seed(0))
        statistic = HenzeZirkler()
        assert torch.allclose(statistic(samples), BHEP(statistic.beta(256, 3))(samples))
        ```
    """

    @plain_numbers
    def beta(self, num_samples: int, dim: int) -> float:
        """Return the width for these sizes."""
        check_sizes("HenzeZirkler.beta", num_samples, dim)
        return ((2 * dim + 1) * num_samples / 4) ** (1 / (dim + 4)) / 2**0.5

    @plain_numbers
    def null_mean(self, num_samples: int, dim: int) -> float:
        """Return 1 - (1 + 2 beta^2)^(-dim/2) with the beta of these sizes."""
        check_sizes("HenzeZirkler", num_samples, dim)
        return _null_mean(self.beta(num_samples, dim), dim)

    @shapechecked
    def forward(self, samples: Float[Tensor, "*batch sample dim"]) -> Float[Tensor, "*batch"]:
        """Return the statistic of each leading index."""
        x = checked_samples("HenzeZirkler", samples)
        return _bhep(x, self.beta(x.shape[-2], x.shape[-1]))


def _bhep(x: Tensor, beta: float) -> Tensor:
    num_samples, dim = x.shape[-2:]
    square = beta**2
    pairs = (squared_distances(x) * (-square / 2)).exp()
    cross = (x.square().sum(-1) * (-square / (2 * (1 + square)))).exp() * (1 + square) ** (-dim / 2)
    constant = (1 + 2 * square) ** (-dim / 2)
    joined = pairs - cross.unsqueeze(-1) - cross.unsqueeze(-2) + constant
    return joined.sum((-2, -1)) / num_samples


def _null_mean(beta: float, dim: int) -> float:
    return 1 - (1 + 2 * beta**2) ** (-dim / 2)
