"""Moments: Neyman's smooth test with Hermite polynomials."""

import math
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import accumulation_dtype, check_number, check_samples, plain_numbers
from .._config import configurable
from .._typing import shapechecked
from ._statistic import UnivariateStatistic


@final
@configurable
class Moments(UnivariateStatistic):
    """The first K moments against those of N(0, 1), as Neyman's smooth test weighs them.

    Says which moments to match and pulls on nothing else: linear in samples, no sort, smooth. Finitely many
    moments do not determine a distribution, and the gradient grows like |x|^(2 K - 1): keep K small.

    With He_k the probabilists' Hermite polynomials (He_1 = x, He_2 = x^2 - 1, He_3 = x^3 - 3 x, ...),
    uncorrelated and of variance k! under the null:

        T = N sum_{k=1}^{K} ( mean_n He_k(x_n) )^2 / k!

    It is zero exactly when the first K moments are those of N(0, 1). The terms for k = 1 and 2 are N mean^2
    and N (mean x^2 - 1)^2 / 2.

    Shapes: samples (*batch, sample, dim) -> (*batch, dim).

    Args:
        max_order: K, from 1 to 12.

    Raises:
        ShapeError: For fewer than 2 samples, no coordinates or an input that is not floating-point.
        ConfigError: For an order out of range.

    Numerics: polynomials by the recurrence He_{k+1} = x He_k - k He_{k-1}, scaled by 1 / sqrt(k!) as they
    grow. The value grows like |x|^(2 K) and is infinite where float32 cannot hold that: beyond about 1e4 for
    K = 4. Pass float64 there.

    Null distribution: mean exactly K for every N. The limit is chi^2 with K degrees of freedom, approached
    slowly from order 3 on, so `p_value` is simulated.

    Source: J. Neyman, "Smooth test for goodness of fit", Skandinavisk Aktuarietidskrift 20 (1937); J. C. W.
    Rayner and D. J. Best, "Smooth Tests of Goodness of Fit" (1989). lejepa's `Moments` compares raw moments
    instead, |m_1| + sum_{k=2}^{K} exp(-k) |m_k - E x^k|, without N: there is no factor between the two. Its
    terms are correlated and have a kink at their minimum; both vanish for the same samples.

    Example:
        ```python
        import torch
        from leworld.normality import Moments

        samples = torch.randn(256, 8, generator=torch.Generator().manual_seed(0))
        assert Moments().null_mean(256) == 4
        assert torch.allclose(Moments(1)(samples), 256 * samples.mean(0) ** 2, rtol=1e-3)
        ```
    """

    def __init__(self, max_order: int = 4) -> None:
        super().__init__()
        check_number("Moments", "max_order", max_order, low=1, high=12, integer=True)
        self.max_order = int(max_order)

    @plain_numbers
    def null_mean(self, num_samples: int) -> float:
        """Return K, which holds for every number of samples."""
        del num_samples
        return float(self.max_order)

    @shapechecked
    def forward(self, samples: Float[Tensor, "*batch sample dim"]) -> Float[Tensor, "*batch dim"]:
        """Return the statistic of each coordinate."""
        check_samples("Moments", "samples", samples)
        x = samples.to(accumulation_dtype(samples.dtype))
        before, current = torch.ones_like(x), x
        total = current.mean(-2).square()
        for k in range(1, self.max_order):
            following = (x * current - math.sqrt(k) * before) / math.sqrt(k + 1)
            before, current = current, following
            total = total + current.mean(-2).square()
        return x.shape[-2] * total

    def extra_repr(self) -> str:
        """Show the settings."""
        return f"max_order={self.max_order}"
