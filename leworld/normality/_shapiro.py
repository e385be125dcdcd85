"""Shapiro-Wilk and Shapiro-Francia: how straight the normal probability plot is."""

import math
from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import check_choice, check_number
from .._config import configurable
from .._typing import shapechecked
from ._null import simulated_mean, simulated_p_value
from ._order import column, ordered, ranks
from ._standardise import standardised
from ._statistic import UnivariateStatistic

Scores = Literal["blom", "elfving", "rahman"]
Coefficients = Literal["royston", "rahman-govindarajulu"]
_OFFSETS = {"blom": 3 / 8, "elfving": math.pi / 8, "rahman": 0.0}


@final
@configurable
class ShapiroFrancia(UnivariateStatistic):
    """One minus the squared correlation of the ordered samples with the normal scores.

    Sees the shape only: any shift and any scale gives the same value. Strong against heavy tails. Costs one
    sort.

    With scores m_i close to the expected order statistics of N(0, 1) and samples centred at their mean:

        1 - W' = 1 - (sum_i m_i x_(i))^2 / (sum_i m_i^2 sum_i (x_i - mean)^2)

    Shapes: samples (*batch, sample, dim) -> (*batch, dim).

    Args:
        scores: Which m_i: "blom" Phi^-1((i - 3/8) / (N + 1/4)), the usual; "elfving"
            Phi^-1((i - pi/8) / (N + 1 - pi/4)); "rahman" Phi^-1(i / (N + 1)).

    Raises:
        ShapeError: For fewer than 3 samples, no coordinates or an input that is not floating-point.
        ConfigError: For unknown scores.

    Numerics: computed as the sum of squared residuals of the probability plot, so nothing cancels for a good
    fit. The value does not grow with N: multiply by N for a pull that keeps pace with the other statistics.
    When all samples coincide it is 1 with zero gradient.

    Null distribution: mean by simulation (20,000 seeded draws, relative standard error below 1 %), as are
    p-values: Royston's normal law of log(1 - W') is off by several hundredths below 20 samples.

    Source: S. S. Shapiro and R. S. Francia, "An approximate analysis of variance test for normality", JASA 67
    (1972). lejepa's `ShapiroWilk` is 1 - |cosine of m and the uncentred ordered samples|: of centred samples
    that is 1 - sqrt(W'), about half of this. Its "elfving" divides by N + 1/4 where symmetry asks for
    N + 1 - pi/4.

    Example:
        ```python
        import torch
        from leworld.normality import ShapiroFrancia

        samples = torch.randn(256, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        statistic = ShapiroFrancia()
        assert torch.allclose(statistic(3 * samples + 1), statistic(samples))
        assert (statistic(samples**3) > 10 * statistic(samples)).all()
        ```
    """

    min_samples = 3

    def __init__(self, scores: Scores = "blom") -> None:
        super().__init__()
        check_choice("ShapiroFrancia", "scores", scores, _OFFSETS)
        self.scores: Scores = scores

    def null_mean(self, num_samples: int) -> float:
        """Return the mean over simulated draws; the first call for a number of samples simulates."""
        check_number("ShapiroFrancia", "num_samples", num_samples, low=3, integer=True)
        return simulated_mean(self, num_samples)

    @shapechecked
    def forward(self, samples: Float[Tensor, "*batch sample dim"]) -> Float[Tensor, "*batch dim"]:
        """Return the statistic of each coordinate."""
        x = ordered("ShapiroFrancia", samples, low=3)
        return _bend(x, _normal_scores(x.shape[-2], _OFFSETS[self.scores]))

    def extra_repr(self) -> str:
        """Show the settings."""
        return f"scores={self.scores!r}"


@final
@configurable
class ShapiroWilk(UnivariateStatistic):
    """One minus Shapiro and Wilk's W: the share of variance that a normal probability plot does not explain.

    Like `ShapiroFrancia`, with weights that also account for the covariance of the order statistics: the
    usual test of normality with unknown mean and variance, blind to shift and scale. Costs one sort.

    With a the unit vector along V^-1 m (m the expected order statistics of N(0, 1), V their covariance):

        1 - W = 1 - (sum_i a_i x_(i))^2 / sum_i (x_i - mean)^2

    Shapes: samples (*batch, sample, dim) -> (*batch, dim).

    Args:
        coefficients: "royston", the approximation of a in every statistics package, or
            "rahman-govindarajulu", from a tridiagonal approximation of V^-1.

    Raises:
        ShapeError: For fewer than 3 samples, no coordinates or an input that is not floating-point.
        ConfigError: For unknown coefficients.

    Numerics: as for `ShapiroFrancia`: residuals, no growth with N, 1 with zero gradient at collapse.

    Null distribution: mean by simulation (20,000 seeded draws, relative standard error below 1 %). `p_value`
    is Royston's for "royston" and 4 to 5000 samples, as in scipy; else simulated.

    Source: S. S. Shapiro and M. B. Wilk, "An analysis of variance test for normality", Biometrika 52 (1965);
    P. Royston, "Algorithm AS R94", Applied Statistics 44 (1995); M. M. Rahman and Z. Govindarajulu, "A
    modification of the test of Shapiro and Wilk for normality", Journal of Applied Statistics 24 (1997).
    lejepa's default `ShapiroWilk` is a Shapiro-Francia statistic: see `ShapiroFrancia` for the factor.

    Example:
        ```python
        import torch
        from leworld.normality import ShapiroWilk

        samples = torch.randn(256, 8, generator=torch.Generator().manual_seed(0))
        statistic = ShapiroWilk()
        assert statistic.p_value(statistic(samples), 256).min() > 0.001
        assert statistic.p_value(statistic(samples.abs()), 256).max() < 0.001
        ```
    """

    min_samples = 3

    def __init__(self, coefficients: Coefficients = "royston") -> None:
        super().__init__()
        check_choice("ShapiroWilk", "coefficients", coefficients, ("royston", "rahman-govindarajulu"))
        self.coefficients: Coefficients = coefficients

    def null_mean(self, num_samples: int) -> float:
        """Return the mean over simulated draws; the first call for a number of samples simulates."""
        check_number("ShapiroWilk", "num_samples", num_samples, low=3, integer=True)
        return simulated_mean(self, num_samples)

    @shapechecked
    def forward(self, samples: Float[Tensor, "*batch sample dim"]) -> Float[Tensor, "*batch dim"]:
        """Return the statistic of each coordinate."""
        x = ordered("ShapiroWilk", samples, low=3)
        weights = _royston if self.coefficients == "royston" else _rahman_govindarajulu
        return _bend(x, weights(x.shape[-2]))

    @shapechecked
    def p_value(self, statistic: Float[Tensor, "*values"], num_samples: int) -> Float[Tensor, "*values"]:
        """Return the probability of a value of at least `statistic` under the null."""
        check_number("ShapiroWilk", "num_samples", num_samples, low=3, integer=True)
        if self.coefficients != "royston" or not 4 <= num_samples <= 5000:
            return simulated_p_value(self, statistic, num_samples)
        y = statistic.double().log()
        n, u = num_samples, math.log(num_samples)
        if n <= 11:
            y = -torch.log((0.459 * n - 2.273 - y).clamp_min(torch.finfo(y.dtype).tiny))
            mean = _polynomial(n, 0.5440, -0.39978, 0.025054, -6.714e-4)
            std = math.exp(_polynomial(n, 1.3822, -0.77857, 0.062767, -0.0020322))
        else:
            mean = _polynomial(u, -1.5861, -0.31082, -0.083751, 0.0038915)
            std = math.exp(_polynomial(u, -0.4803, -0.082676, 0.0030302))
        return torch.special.ndtr((mean - y) / std).to(statistic.dtype)

    def extra_repr(self) -> str:
        """Show the settings."""
        return f"coefficients={self.coefficients!r}"


def _bend(x: Tensor, weights: Tensor) -> Tensor:
    """One minus the squared cosine of ordered, centred samples and centred weights, from residuals."""
    num_samples = x.shape[-2]
    a = column(weights / weights.norm(), x)
    unit = standardised(x)[0] / math.sqrt(num_samples)
    residual = unit - a * (a * unit).sum(-2, keepdim=True)
    collapsed = (unit.detach() == 0).all(-2)
    return residual.square().sum(-2) + collapsed.to(x.dtype)


def _normal_scores(num_samples: int, offset: float) -> Tensor:
    i = ranks(num_samples)
    return torch.special.ndtri((i - offset) / (num_samples + 1 - 2 * offset))


def _royston(num_samples: int) -> Tensor:
    """Approximate a by normal scores with one or two corrected ends, Royston (1995)."""
    if num_samples == 3:
        return torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64, device="cpu")
    m = _normal_scores(num_samples, 3 / 8)
    u = num_samples**-0.5
    square = m.square().sum()
    last = m[-1] / square.sqrt() + _polynomial(u, 0, 0.221157, -0.147981, -2.071190, 4.434685, -2.706056)
    if num_samples > 5:
        second = m[-2] / square.sqrt() + _polynomial(
            u, 0, 0.042981, -0.293762, -1.752461, 5.682633, -3.582633
        )
        rest = square - 2 * m[-1] ** 2 - 2 * m[-2] ** 2
        inner = m[2:-2] * ((1 - 2 * last**2 - 2 * second**2) / rest).sqrt()
        return torch.cat([-last[None], -second[None], inner, second[None], last[None]])
    rest = square - 2 * m[-1] ** 2
    inner = m[1:-1] * ((1 - 2 * last**2) / rest).sqrt()
    return torch.cat([-last[None], inner, last[None]])


def _rahman_govindarajulu(num_samples: int) -> Tensor:
    """Apply the tridiagonal limit of V^-1 to m_i = Phi^-1(i / (N + 1)); the ends lean on phi(m) m -> 0."""
    m = _normal_scores(num_samples, 0.0)
    density = torch.exp(-m.square() / 2)
    moment = torch.nn.functional.pad(m * density, (1, 1))
    return density * (2 * moment[1:-1] - moment[:-2] - moment[2:])


def _polynomial(x: float, *coefficients: float) -> float:
    value = 0.0
    for coefficient in reversed(coefficients):
        value = value * x + coefficient
    return value
