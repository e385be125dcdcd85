"""What one policy achieved on the pairs of a protocol."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Any, final

import numpy as np

from ..._checks import plain_numbers
from ...errors import DataError, ShapeError
from ...metrics import Interval, wilson_interval


@final
@plain_numbers
@dataclass(frozen=True)
class PolicyOutcome:
    """The outcome of every episode that one policy played, and their summary.

    Attributes:
        reached: For each pair, whether the goal was reached at any step.
        reached_at_last: For each pair, whether the state after the last step of the budget is at the goal.
        steps_to_reach: For each pair, the number of steps after which the goal was first reached, or None.
        final_distance: For each pair, the distance to the goal after the last step.
        seconds: Wall time of the policy's decisions, all pairs together. It is no part of equality.

    Raises:
        ShapeError: Fields of different lengths, or no pair.

    Example:
        ```python
        from leworld.evaluation import PolicyOutcome

        outcome = PolicyOutcome(
            reached=(True, False),
            reached_at_last=(False, False),
            steps_to_reach=(12, None),
            final_distance=(20.0, 50.0),
        )
        assert outcome.success_rate == 0.5 and outcome.last_step_rate == 0.0
        assert outcome.median_steps == 12
        ```
    """

    reached: tuple[bool, ...]
    reached_at_last: tuple[bool, ...]
    steps_to_reach: tuple[int | None, ...]
    final_distance: tuple[float, ...]
    seconds: float = field(default=0.0, compare=False)

    def __post_init__(self) -> None:
        sizes = [
            len(self.reached),
            len(self.reached_at_last),
            len(self.steps_to_reach),
            len(self.final_distance),
        ]
        if min(sizes) < 1 or len(set(sizes)) > 1:
            raise ShapeError(
                "PolicyOutcome needs one entry a pair in every field, and at least one pair",
                f"`reached`, `reached_at_last`, `steps_to_reach` and `final_distance` have {sizes} entries",
                "Take outcomes from `goal_reaching`, or give every pair its entry",
            )

    @property
    def success_rate(self) -> float:
        """Share of pairs whose goal was reached at any step."""
        return sum(self.reached) / len(self.reached)

    @property
    def success_interval(self) -> Interval:
        """95 % Wilson interval of `success_rate`."""
        return wilson_interval(sum(self.reached), len(self.reached))

    @property
    def last_step_rate(self) -> float:
        """Share of pairs that are at the goal after the last step."""
        return sum(self.reached_at_last) / len(self.reached_at_last)

    @property
    def last_step_interval(self) -> Interval:
        """95 % Wilson interval of `last_step_rate`."""
        return wilson_interval(sum(self.reached_at_last), len(self.reached_at_last))

    @property
    def median_steps(self) -> float | None:
        """Median number of steps to the goal among the pairs that reached it; None when none did."""
        steps = [count for count in self.steps_to_reach if count is not None]
        return float(median(steps)) if steps else None

    @property
    def mean_final_distance(self) -> float:
        """Mean distance to the goal after the last step."""
        return fmean(self.final_distance)

    def to_json(self) -> dict[str, Any]:
        """Return the summary and every pair's outcome as JSON values."""
        success, last = self.success_interval, self.last_step_interval
        return {
            "success_rate": self.success_rate,
            "success_interval": [success.low, success.high],
            "last_step_rate": self.last_step_rate,
            "last_step_interval": [last.low, last.high],
            "median_steps": self.median_steps,
            "mean_final_distance": self.mean_final_distance,
            "seconds": self.seconds,
            "pairs": {
                "reached": list(self.reached),
                "reached_at_last": list(self.reached_at_last),
                "steps_to_reach": list(self.steps_to_reach),
                "final_distance": list(self.final_distance),
            },
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "PolicyOutcome":
        """Read what `to_json` wrote; the summary is computed anew from the pairs.

        Raises:
            DataError: A field is missing or malformed.
        """
        try:
            pairs = data["pairs"]
            return PolicyOutcome(
                reached=tuple(bool(value) for value in pairs["reached"]),
                reached_at_last=tuple(bool(value) for value in pairs["reached_at_last"]),
                steps_to_reach=tuple(None if n is None else int(n) for n in pairs["steps_to_reach"]),
                final_distance=tuple(float(value) for value in pairs["final_distance"]),
                seconds=float(data["seconds"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                "PolicyOutcome.from_json needs every field that `to_json` writes",
                f"reading failed with {type(error).__name__}: {error}",
                "Pass the parsed JSON of one policy, as `to_json` returned it",
            ) from error


def judge(distance: np.ndarray, near: np.ndarray, *, seconds: float = 0.0) -> PolicyOutcome:
    """Turn distance and success after each step, "pair step", into an outcome; column 0 is the first step."""
    first = near.argmax(axis=1).tolist()
    reached = [bool(row.any()) for row in near]
    return PolicyOutcome(
        reached=tuple(reached),
        reached_at_last=tuple(bool(row[-1]) for row in near),
        steps_to_reach=tuple(f + 1 if r else None for f, r in zip(first, reached, strict=True)),
        final_distance=tuple(distance[:, -1].tolist()),
        seconds=seconds,
    )
