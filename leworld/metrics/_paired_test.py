"""Student's paired t-test with its effect size."""

import math
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from .._checks import check_finite, check_size, check_unmapped, measured
from .._precision import double
from .._typing import shapechecked


@final
@dataclass(frozen=True)
class PairedTest:
    """The outcome of a paired t-test.

    Attributes:
        mean_difference: Mean of first minus second.
        t: The t statistic; NaN where it is not defined (all differences are zero).
        p_value: Two-sided p-value; NaN with it.
        effect_size: Cohen's d of paired samples: the mean difference in standard deviations of the
            differences; infinite when they are all alike, NaN when they are all zero.
        num_pairs: Number of pairs.

    Example:
        ```python
        from leworld.metrics import PairedTest

        assert PairedTest(1.0, t=2.0, p_value=0.08, effect_size=0.9, num_pairs=5).num_pairs == 5
        ```
    """

    mean_difference: float
    t: float
    p_value: float
    effect_size: float
    num_pairs: int


@shapechecked
def paired_t_test(first: Float[Tensor, " pair"], second: Float[Tensor, " pair"]) -> PairedTest:
    r"""Test whether first and second differ on average, pair by pair (Student's paired t-test, two-sided).

    $$ t = \frac{\bar d}{s_d / \sqrt n}, \qquad d_i = first_i - second_i, \qquad
       p = I_{\nu / (\nu + t^2)}(\nu / 2, 1 / 2), \quad \nu = n - 1 $$

    with the regularised incomplete beta function I.

    Args:
        first: One value a pair, for example the surprise of disturbed episodes.
        second: The same pairs without the disturbance.

    Raises:
        ShapeError: Fewer than 2 pairs, other lengths, or not floating-point.
        NonFiniteError: NaN or infinite values.

    Numerics:
        float64; the incomplete beta function by its continued fraction, to about 1e-12 relative.

    Source:
        Student, The probable error of a mean, Biometrika, 1908; LeWorldModel (2026, arXiv 2603.19312, section
        5.2) judges surprise by this test.

    Example:
        ```python
        import torch
        from leworld.metrics import paired_t_test

        test = paired_t_test(torch.tensor([3.0, 5.0, 7.0]), torch.tensor([1.0, 2.0, 3.0]))
        assert round(test.t, 4) == 5.1962 and round(test.p_value, 4) == 0.0351
        ```
    """
    check_unmapped("paired_t_test", first=first, second=second)
    check_size("paired_t_test", "first", first, 0, "pair", low=2, fix="Pass at least 2 pairs")
    check_finite("paired_t_test", "first", first)
    check_finite("paired_t_test", "second", second)
    difference = double(measured("paired_t_test", "first", first)) - double(
        measured("paired_t_test", "second", second)
    )
    count, mean = len(difference), float(difference.mean())
    spread = float(difference.std())
    if spread <= 16 * torch.finfo(torch.float64).eps * abs(mean):
        size = math.nan if mean == 0 else math.copysign(math.inf, mean)
        return PairedTest(mean, t=size, p_value=0.0 if mean else math.nan, effect_size=size, num_pairs=count)
    t = mean / (spread / math.sqrt(count))
    free = count - 1
    p_value = _incomplete_beta(free / 2, 0.5, free / (free + t * t))
    return PairedTest(mean, t=t, p_value=p_value, effect_size=mean / spread, num_pairs=count)


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function (Abramowitz and Stegun 26.5.8)."""
    if x <= 0 or x >= 1:
        return min(max(x, 0.0), 1.0)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(b, a, 1 - x)
    fraction = 1.0
    for m in range(400, 0, -1):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        fraction = 1 + even / fraction
        odd = -(a + m - 1) * (a + b + m - 1) * x / ((a + 2 * m - 2) * (a + 2 * m - 1))
        fraction = 1 + odd / fraction
    log_front = (
        a * math.log(x)
        + b * math.log1p(-x)
        + math.lgamma(a + b)
        - math.lgamma(a)
        - math.lgamma(b)
        - math.log(a)
    )
    return math.exp(log_front) / fraction
