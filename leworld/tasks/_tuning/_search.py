"""Where to try next: interval halving over the logarithm of a weight."""

import math
from collections.abc import Mapping

FIRST = 3  # weights before anything is known
_FINEST = 1 / 256


def next_weight(low: float, high: float, known: Mapping[float, float]) -> float | None:
    """Return the weight to try next, for a score with one peak; None while scores cannot say.

    Three weights divide the interval of logarithms into four parts. Then, round by round, the best so far
    gets a new neighbour on both sides, half as far away as the ones before, the side with the better
    neighbour first. Every step looks at the best of all, so a score that noise has spoilt misleads by one
    neighbour, and not for good.

    Args:
        low: Lowest weight.
        high: Highest weight.
        known: Scores of the weights that were tried; NaN counts as the worst.
    """
    scores = {weight: -math.inf if score != score else score for weight, score in known.items()}
    for part in (2, 1, 3):
        if (weight := _at(low, high, part / 4)) not in scores:
            return weight
    tried, step = [_at(low, high, part / 4) for part in (1, 2, 3)], 1 / 8
    while True:
        best = max(tried, key=lambda weight: scores[weight])
        place = math.log(best / low) / math.log(high / low)
        sides = {_at(low, high, place - step): -1, _at(low, high, place + step): 1}
        order = sorted(sides, key=lambda weight: -_beside(tried, scores, best, sides[weight]))
        for weight in order:
            if weight not in scores:
                return weight
        tried += order
        step /= 2
        if step < _FINEST:
            return None


def _at(low: float, high: float, part: float) -> float:
    """Return a weight at a part of the interval of logarithms, to three digits."""
    return float(f"{low * (high / low) ** part:.3g}")


def _beside(tried: list[float], scores: Mapping[float, float], best: float, side: int) -> float:
    """Return the score of the nearest tried weight on a side of the best; the worst if there is none."""
    found = [weight for weight in tried if (weight - best) * side > 0]
    return scores[min(found, key=lambda weight: abs(math.log(weight / best)))] if found else -math.inf
