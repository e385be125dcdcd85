"""What a success rate from a few trials is worth."""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import final

from .._checks import check_number, plain_numbers
from ..errors import ConfigError


@final
@plain_numbers
@dataclass(frozen=True)
class Interval:
    """A confidence interval from `low` to `high`.

    Raises:
        ConfigError: `low` is above `high`, or one of them is NaN.

    Example:
        ```python
        from leworld.metrics import Interval

        assert Interval(low=0.25, high=0.5).high == 0.5
        ```
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ConfigError(
                "Interval needs `low` to be at most `high`",
                f"`low={self.low}` and `high={self.high}`",
                "Swap them",
            )


@plain_numbers
def wilson_interval(successes: int, trials: int, *, confidence: float = 0.95) -> Interval:
    r"""Compute Wilson's score interval of a success probability.

    Use it for every success rate: it stays inside [0, 1], and unlike the textbook interval it does not shrink
    to a point when all trials succeed or all fail.

    $$ \frac{1}{1 + z^2/n} \left( \hat p + \frac{z^2}{2n} \pm z
       \sqrt{\frac{\hat p (1 - \hat p)}{n} + \frac{z^2}{4 n^2}} \right) $$

    with n trials, $\hat p$ the share of successes and z the normal quantile of (1 + confidence) / 2.

    Args:
        successes: Number of successes, 0 to `trials`.
        trials: Number of independent trials, at least 1.
        confidence: Coverage, strictly between 0 and 1.

    Raises:
        ConfigError: No trials, more successes than trials, or a confidence outside (0, 1).

    Source:
        Wilson, Probable inference, the law of succession, and statistical inference, Journal of the American
        Statistical Association, 1927.

    Example:
        ```python
        from leworld.metrics import wilson_interval

        interval = wilson_interval(95, 100)
        assert round(interval.low, 3) == 0.888
        assert round(interval.high, 3) == 0.978
        ```
    """
    check_number("wilson_interval", "trials", trials, low=1, integer=True)
    check_number("wilson_interval", "successes", successes, low=0, high=trials, integer=True)
    check_number("wilson_interval", "confidence", confidence, low=0, high=1, open_low=True)
    if confidence >= 1:
        raise ConfigError(
            "wilson_interval needs `confidence` to be below 1",
            f"`confidence={confidence}` was given",
            "Pass 0.95, or another share of intervals that may cover the truth",
        )
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / trials
    middle = share + z**2 / (2 * trials)
    margin = z * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    scale = 1 / (1 + z**2 / trials)
    low = 0.0 if successes == 0 else (middle - margin) * scale
    high = 1.0 if successes == trials else (middle + margin) * scale
    return Interval(low=low, high=high)
