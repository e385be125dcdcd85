"""How far two shares lie apart, with an interval."""

import math
from collections.abc import Sequence

from ..metrics import Interval, wilson_interval


def share_difference(
    first: tuple[int, int], second: tuple[int, int], *, correlation: float = 0.0
) -> tuple[float, Interval]:
    """Return first minus second share, each (successes, trials), with Newcombe's 95 % score interval.

    Newcombe, Interval estimation for the difference between independent proportions, Statistics in Medicine,
    1998, method 10; with a correlation that of paired proportions in the same volume, method 10.
    """
    (a, b) = first[0] / first[1], second[0] / second[1]
    one, two = wilson_interval(*first), wilson_interval(*second)
    below = (a - one.low, two.high - b)
    above = (one.high - a, b - two.low)
    low, high = (math.sqrt(max(0.0, x**2 - 2 * correlation * x * y + y**2)) for x, y in (below, above))
    return a - b, Interval(low=max(-1.0, a - b - low), high=min(1.0, a - b + high))


def paired_difference(first: Sequence[bool], second: Sequence[bool]) -> tuple[float, Interval]:
    """Return by how much more often the first is true, case by case, with Newcombe's 95 % interval."""
    count = len(first)
    pairs = list(zip(first, second, strict=True))
    both, only_first = pairs.count((True, True)), pairs.count((True, False))
    only_second, neither = pairs.count((False, True)), pairs.count((False, False))
    spread = math.sqrt(
        (both + only_first) * (only_second + neither) * (both + only_second) * (only_first + neither)
    )
    agreement = both * neither - only_first * only_second
    if agreement > 0:  # the correction for continuity
        agreement = max(agreement - count / 2, 0.0)
    correlation = agreement / spread if spread else 0.0
    return share_difference((sum(first), count), (sum(second), count), correlation=correlation)
