"""Henze and Visagie's statistic: the differential equation of the Gaussian, as a logarithm."""

import math
from typing import final

from jaxtyping import Float
from torch import Tensor

from .._checks import check_number, plain_numbers
from .._config import configurable
from .._precision import double
from .._typing import shapechecked
from ._multivariate import MultivariateStatistic
from ._null import simulated_mean
from ._pairs import check_sizes, checked_samples, inner_products, log_sum


@final
@configurable
class HenzeVisagie(MultivariateStatistic):
    """Log of how far the samples' moment generating function is from solving grad M(t) = t M(t), times N.

    The Gaussian's is the only solution with M(0) = 1. Looks at high moments in all directions, as `BHEPM`.
    Costs sample^2 x dim.

    With M_N(t) = mean_n exp(<t, x_n>), weight exp(-gamma |t|^2) and s_jk = x_j + x_k:

        T = N int | grad M_N(t) - t M_N(t) |^2 exp(-gamma |t|^2) dt
          = 1/N (pi / gamma)^(dim/2) sum_jk exp(|s_jk|^2 / (4 gamma))
            ( <x_j, x_k> - |s_jk|^2 / (2 gamma) + dim / (2 gamma) + |s_jk|^2 / (4 gamma^2) )

    and the value is log T: T is the exponential of squared norms and overflows, while the logarithm keeps the
    order, hence the p-values, and its gradient is T's relative one. exp(value) is T where that is
    representable.

    Shapes: samples (*batch, sample, dim) -> (*batch).

    Args:
        gamma: Decay of the weight, above 0; larger looks at lower moments. The mean of T under the null is
            finite above 2 only; the mean of log T always is.

    Raises:
        ShapeError: For fewer than 2 samples, no coordinates or an input that is not floating-point.
        ConfigError: For an option out of range.

    Numerics: terms of both signs are summed relative to the largest exponential, in float64 inside (on the
    CPU for MPS); a sum below its rounding (relative 1e-16) is held there. At collapse on 0 the gradient is
    exactly zero.

    Null distribution: mean of log T by simulation (2,000 seeded draws), as are p-values. The mean of T is
    exactly (pi / (gamma - 2))^(dim/2) dim (1 + 1 / (2 gamma - 4)) for gamma > 2 and every N.

    Source: N. Henze and J. Visagie, "Testing for normality in any dimension based on a partial differential
    equation involving the moment generating function", Annals of the Institute of Statistical Mathematics 72
    (2020), there for standardised samples. lejepa's `HV` is T / (pi / gamma)^(dim/2), with gamma 1.

    Example:
        ```python
        import torch
        from leworld.normality import HenzeVisagie

        samples = torch.randn(64, 192, generator=torch.Generator().manual_seed(0))
        statistic = HenzeVisagie()
        assert statistic(100 * samples).isfinite()
        assert statistic(2 * samples) > statistic(samples) + 10
        ```
    """

    def __init__(self, gamma: float = 5.0) -> None:
        super().__init__()
        check_number("HenzeVisagie", "gamma", gamma, low=0, open_low=True)
        self.gamma = float(gamma)

    @plain_numbers
    def null_mean(self, num_samples: int, dim: int) -> float:
        """Return the mean of log T over simulated draws; the first call for a pair of sizes simulates."""
        check_sizes("HenzeVisagie", num_samples, dim)
        return simulated_mean(self, num_samples, dim)

    @shapechecked
    def forward(self, samples: Float[Tensor, "*batch sample dim"]) -> Float[Tensor, "*batch"]:
        """Return log T of each leading index."""
        checked = checked_samples("HenzeVisagie", samples)
        x = double(checked)
        num_samples, dim = x.shape[-2:]
        gamma = self.gamma
        gram = inner_products(x)
        norms = gram.diagonal(dim1=-2, dim2=-1)
        sums = norms.unsqueeze(-1) + norms.unsqueeze(-2) + 2 * gram
        factors = gram + sums * (1 / (4 * gamma**2) - 1 / (2 * gamma)) + dim / (2 * gamma)
        scale = dim / 2 * math.log(math.pi / gamma) - math.log(num_samples)
        return (log_sum(sums / (4 * gamma), factors) + scale).to(checked)

    def extra_repr(self) -> str:
        """Show the settings."""
        return f"gamma={self.gamma}"
