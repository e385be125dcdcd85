"""BHEP with moment generating functions, as a logarithm."""

import math
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import check_number, plain_numbers
from .._config import configurable
from .._precision import double
from .._typing import shapechecked
from ._multivariate import MultivariateStatistic
from ._null import simulated_mean
from ._pairs import check_sizes, checked_samples, inner_products, log_difference


@final
@configurable
class BHEPM(MultivariateStatistic):
    """Log of the squared distance between moment generating functions, the samples' and N(0, I)'s, times N.

    Looks at high moments in all directions at once: a heavy tail or a scale above 1 shows at once, a scale
    below 1 hardly. Costs sample^2 x dim.

    With M_N(t) = mean_n exp(<t, x_n>) and weight exp(-beta |t|^2):

        T = N int ( M_N(t) - exp(|t|^2 / 2) )^2 exp(-beta |t|^2) dt
          = pi^(dim/2) [ 1/N sum_jk beta^(-dim/2) exp(|x_j + x_k|^2 / (4 beta)) + N (beta - 1)^(-dim/2)
                         - 2 sum_j (beta - 1/2)^(-dim/2) exp(|x_j|^2 / (4 beta - 2)) ]

    and the value is log T. T itself is the exponential of squared norms: at 192 dimensions it leaves
    float64's range for ordinary samples, and its mean says nothing of its typical size. The logarithm keeps
    the order, hence the p-values, and its gradient is T's relative one. exp(value) is T where that is
    representable.

    Shapes: samples (*batch, sample, dim) -> (*batch).

    Args:
        beta: Decay of the weight, above 1; larger looks at lower moments. The mean of T under the null is
            finite above 2 only; the mean of log T always is.

    Raises:
        ShapeError: For fewer than 2 samples, no coordinates or an input that is not floating-point.
        ConfigError: For an option out of range.

    Numerics: no bare exponential is formed: the three sums are joined relative to the largest. They nearly
    cancel, so this runs in float64 inside (on the CPU for MPS), and a T below its rounding (relative 1e-16)
    is held there.

    Null distribution: mean of log T by simulation (2,000 seeded draws), as are p-values. The mean of T is
    exactly pi^(dim/2) [ (beta - 2)^(-dim/2) - (beta - 1)^(-dim/2) ] for beta > 2 and every N.

    Source: N. Henze and M. D. Jimenez-Gamero, "A new class of tests for multinormality with i.i.d. and GARCH
    data based on the empirical moment generating function", TEST 28 (2019), there for standardised samples.
    lejepa's `BHEP_M` is T / pi^(dim/2) without the constant N (beta - 1)^(-dim/2), so that it has no lower
    bound; beta 10.

    Example:
        ```python
        import torch
        from leworld.normality import BHEPM

        samples = torch.randn(64, 192, generator=torch.Generator().manual_seed(0))
        statistic = BHEPM()
        assert statistic(100 * samples).isfinite()
        assert statistic(2 * samples) > statistic(samples) + 10
        ```
    """

    def __init__(self, beta: float = 10.0) -> None:
        super().__init__()
        check_number("BHEPM", "beta", beta, low=1, open_low=True)
        self.beta = float(beta)

    @plain_numbers
    def null_mean(self, num_samples: int, dim: int) -> float:
        """Return the mean of log T over simulated draws; the first call for a pair of sizes simulates."""
        check_sizes("BHEPM", num_samples, dim)
        return simulated_mean(self, num_samples, dim)

    @shapechecked
    def forward(self, samples: Float[Tensor, "*batch sample dim"]) -> Float[Tensor, "*batch"]:
        """Return log T of each leading index."""
        checked = checked_samples("BHEPM", samples)
        x = double(checked)
        num_samples, dim = x.shape[-2:]
        gram = inner_products(x)
        norms = gram.diagonal(dim1=-2, dim2=-1)
        sums = norms.unsqueeze(-1) + norms.unsqueeze(-2) + 2 * gram
        # relative to N (beta - 1)^(-dim/2), the weight's share of exp(|t|^2)
        pairs = sums / (4 * self.beta) + dim / 2 * math.log1p(-1 / self.beta) - 2 * math.log(num_samples)
        cross = norms / (4 * self.beta - 2) + dim / 2 * math.log1p(-0.5 / (self.beta - 0.5))
        cross = cross + math.log(2 / num_samples)
        plus = torch.cat([pairs.flatten(-2), torch.zeros_like(cross[..., :1])], -1)
        scale = math.log(num_samples) + dim / 2 * math.log(math.pi / (self.beta - 1))
        return (log_difference(plus, cross) + scale).to(checked)

    def extra_repr(self) -> str:
        """Show the settings."""
        return f"beta={self.beta}"
