"""The product of characteristic and moment generating function, which is 1 for a Gaussian only."""

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
from ._pairs import check_sizes, checked_samples, inner_products


@final
@configurable
class COMB(MultivariateStatistic):
    """How far the product of characteristic and moment generating function is from 1, on a logarithmic scale.

    For every centred Gaussian, whatever its covariance, the real part of the characteristic function times
    the moment generating function is 1 everywhere: with many samples it is **blind to scale** and to
    correlation, and always to collapse on 0. What it sees above all are heavy tails. Costs sample^2 x dim.

    With the weight exp(-gamma |t|^2), T the weighted mean of that product minus 1:

        T = 1/N^2 sum_jk exp( (|x_k|^2 - |x_j|^2) / (4 gamma) ) cos( <x_j, x_k> / (2 gamma) ) - 1

    and the value is log(1 + N T^2) / 2. The published statistic (pi / gamma)^(dim/2) sqrt(N) T has either
    sign, so it is no distance, and its terms are exponentials of squared norms, so it overflows. The value is
    zero exactly where T is, smooth there, N T^2 / 2 for small T and log sqrt(N) |T| for large; |T| =
    sqrt(expm1(2 value) / N).

    Shapes: samples (*batch, sample, dim) -> (*batch).

    Args:
        gamma: Decay of the weight, above 0; larger looks at lower moments. Below about dim / 4 a few far
            samples decide alone.

    Raises:
        ShapeError: For fewer than 2 samples, no coordinates or an input that is not floating-point.
        ConfigError: For an option out of range.

    Numerics: the signed sum is formed relative to its largest exponential and joined with the 1 in log space;
    float64 inside (on the CPU for MPS), because cosines of both signs cancel.

    Null distribution: mean of the value by simulation (2,000 seeded draws), as are p-values. The mean of T is
    exactly (Re (1 - i / gamma)^(-dim/2) - 1) / N for every N.

    Source: N. Henze, M. D. Jimenez-Gamero and S. G. Meintanis, "Characterizations of multinormality and
    corresponding tests of fit, including for GARCH models", Econometric Theory 35 (2019), there for
    standardised samples. lejepa's `COMB` is sqrt(N) T, with gamma 0.1.

    Example:
        ```python
        import torch
        from leworld.normality import COMB

        samples = torch.randn(64, 192, generator=torch.Generator().manual_seed(0))
        statistic = COMB(50.0)
        assert statistic(100 * samples).isfinite()
        assert statistic(samples + 1) > statistic(samples)
        ```
    """

    def __init__(self, gamma: float = 5.0) -> None:
        super().__init__()
        check_number("COMB", "gamma", gamma, low=0, open_low=True)
        self.gamma = float(gamma)

    @plain_numbers
    def null_mean(self, num_samples: int, dim: int) -> float:
        """Return the mean over simulated draws; the first call for a pair of sizes simulates."""
        check_sizes("COMB", num_samples, dim)
        return simulated_mean(self, num_samples, dim)

    @shapechecked
    def forward(self, samples: Float[Tensor, "*batch sample dim"]) -> Float[Tensor, "*batch"]:
        """Return log(1 + N T^2) / 2 of each leading index."""
        checked = checked_samples("COMB", samples)
        x = double(checked)
        num_samples = x.shape[-2]
        gram = inner_products(x)
        norms = gram.diagonal(dim1=-2, dim2=-1)
        growth = norms / (4 * self.gamma)
        # exponents growth_k - growth_j, all at most top, which is at least 0
        top = (growth.amax(-1) - growth.amin(-1)).detach()
        exponents = growth.unsqueeze(-2) - growth.unsqueeze(-1) - top[..., None, None]
        total = (exponents.exp() * (gram / (2 * self.gamma)).cos()).sum((-2, -1)) / num_samples**2
        scaled = total - torch.exp(-top)
        square = (num_samples * scaled.square()).clamp_min(torch.finfo(x.dtype).tiny)
        value = torch.nn.functional.softplus(square.log() + 2 * top, threshold=40) / 2
        return value.to(checked)

    def extra_repr(self) -> str:
        """Show the settings."""
        return f"gamma={self.gamma}"
