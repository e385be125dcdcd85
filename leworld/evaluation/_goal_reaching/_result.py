"""The result of a goal-reaching protocol: a table, a JSON file, a picture and a film."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
from jaxtyping import Float

from ..._checks import plain_numbers
from ...errors import ConfigError, DataError, ShapeError
from .._result import Result, write_result
from ._backdrop import Backdrop
from ._figures import draw_film, draw_paths
from ._outcome import PolicyOutcome
from ._recording import Recording


@final
@plain_numbers
@dataclass(frozen=True, eq=False)
class GoalReachingResult(Result):
    """What every policy achieved on the same pairs of start and goal.

    The JSON holds the summary and every pair's outcome. `write_gif` needs the extra `viz`, as `plot` does.

    Attributes:
        protocol: Name of the protocol.
        budget: Environment steps that each policy could take.
        success_radius: Distance that counted as reached, or None where a rule decided.
        num_presolved: Pairs that were left out because they were solved before the first step.
        seed: The seed of the evaluation.
        start: Starts of the pairs that were played.
        goal: Goals of the pairs that were played.
        policies: Outcome by name of the policy, in the order given.
        recordings: Paths and pictures by name of the policy; empty when read from JSON.
        success: The rule in words, or None with a radius.
        distance_unit: Unit of the rule's distances in words, or None with a radius.
        backdrop: What paths are drawn on, or None for a plain frame; no part of the JSON.

    Raises:
        ShapeError: Starts, goals and outcomes that differ in number, or no policy.

    Example:
        ```python
        import numpy as np
        from leworld.evaluation import GoalReachingResult, PolicyOutcome

        outcome = PolicyOutcome(
            reached=(True, False),
            reached_at_last=(True, False),
            steps_to_reach=(9, None),
            final_distance=(3.0, 60.0),
        )
        result = GoalReachingResult(
            protocol="by-hand",
            budget=50,
            success_radius=16.0,
            num_presolved=1,
            seed=0,
            start=np.zeros((2, 2), dtype=np.float32),
            goal=np.full((2, 2), 40.0, dtype=np.float32),
            policies={"LeWM": outcome},
        )
        assert "LeWM" in str(result)
        assert GoalReachingResult.from_json(result.to_json()).policies == result.policies
        ```
    """

    protocol: str
    budget: int
    success_radius: float | None
    num_presolved: int
    seed: int
    start: Float[np.ndarray, "pair state"]
    goal: Float[np.ndarray, "pair state"]
    policies: Mapping[str, PolicyOutcome]
    recordings: Mapping[str, Recording] = field(default_factory=dict, repr=False)
    success: str | None = None
    distance_unit: str | None = None
    backdrop: Backdrop | None = field(default=None, repr=False)

    kind: ClassVar[str] = "goal_reaching"

    def __post_init__(self) -> None:
        sizes = {name: len(outcome.reached) for name, outcome in self.policies.items()}
        if not sizes or set(sizes.values()) != {len(self.start)} or self.start.shape != self.goal.shape:
            raise ShapeError(
                "GoalReachingResult needs one start, one goal and one outcome a policy for every pair",
                f"there are {len(self.start)} starts, {len(self.goal)} goals and outcomes for {sizes}",
                "Take results from `goal_reaching`",
            )
        for name in ("start", "goal"):
            object.__setattr__(self, name, getattr(self, name).copy())

    @property
    def num_pairs(self) -> int:
        """Number of pairs that were played."""
        return self.start.shape[0]

    @property
    def words(self) -> str:
        """What counted as reached, in words that follow "reached"."""
        return f"within {self.success_radius:g} of the goal" if self.success is None else self.success

    @property
    def distance_digits(self) -> int:
        """Digits after the point that distances are told with: fewer where a unit counts for little."""
        return 1 if self.success_radius is not None and self.success_radius >= 1 else 2

    def table(self) -> str:
        """Return one line a policy, with 95 % Wilson intervals."""
        drawn = self.num_pairs + self.num_presolved
        lines = [
            f"{self.protocol}: {self.num_pairs} pairs, {self.budget} steps each, reached {self.words}",
            f"({self.num_presolved} of {drawn} drawn pairs were solved at the start and are left out)",
        ]
        header = ("policy", "reached", "95 % interval", "at last step", "95 % interval")
        unit = f" ({self.distance_unit})" if self.distance_unit else ""
        header += ("median steps", f"final distance{unit}")
        rows: list[tuple[str, ...]] = [header]
        for name, outcome in self.policies.items():
            success, last = outcome.success_interval, outcome.last_step_interval
            rows.append(
                (
                    name,
                    f"{outcome.success_rate:.1%}",
                    f"{success.low:.1%} to {success.high:.1%}",
                    f"{outcome.last_step_rate:.1%}",
                    f"{last.low:.1%} to {last.high:.1%}",
                    "-" if outcome.median_steps is None else f"{outcome.median_steps:g}",
                    f"{outcome.mean_final_distance:.{self.distance_digits}f}",
                )
            )
        widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
        for row in rows:
            cells = [row[0].ljust(widths[0])]
            cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
            lines.append("  ".join(cells).rstrip())
        return "\n".join(lines)

    def _content(self) -> dict[str, Any]:
        rule = {} if self.success is None else {"success": self.success, "distance_unit": self.distance_unit}
        return rule | {
            "protocol": self.protocol,
            "budget": self.budget,
            "success_radius": self.success_radius,
            "num_pairs": self.num_pairs,
            "num_presolved": self.num_presolved,
            "seed": self.seed,
            "start": self.start.tolist(),
            "goal": self.goal.tolist(),
            "policies": {name: outcome.to_json() for name, outcome in self.policies.items()},
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "GoalReachingResult":
        """Read what `to_json` wrote.

        Raises:
            DataError: Another kind of file, another version, or a field that is missing or malformed.
        """
        GoalReachingResult._check_kind(data)
        try:
            return GoalReachingResult(
                protocol=data["protocol"],
                budget=data["budget"],
                success_radius=data["success_radius"],
                success=data.get("success"),
                distance_unit=data.get("distance_unit"),
                num_presolved=data["num_presolved"],
                seed=data["seed"],
                start=np.array(data["start"], dtype=np.float32),
                goal=np.array(data["goal"], dtype=np.float32),
                policies={
                    name: PolicyOutcome.from_json(outcome) for name, outcome in data["policies"].items()
                },
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(
                "GoalReachingResult.from_json needs every field that `to_json` writes",
                f"reading failed with {type(error).__name__}: {error}",
                "Write the file anew with `save`",
            ) from error

    def plot(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Draw every policy's paths from start to goal, and write the picture (png, pdf or svg).

        Raises:
            ConfigError: There are no recordings, or no policy.
            MissingExtraError: matplotlib is not installed.
        """
        recordings = self._recorded("plot")
        return draw_paths(
            path, self.policies, recordings, self.goal, backdrop=self.backdrop, overwrite=overwrite
        )

    @plain_numbers
    def write_gif(
        self,
        path: str | os.PathLike[str],
        *,
        scale: int = 2,
        frames_per_second: float = 10.0,
        overwrite: bool = False,
    ) -> Path:
        """Write a film of the recorded episodes: one column a pair, the goal on top, one row a policy.

        A green frame marks the moments from which the goal has been reached.

        Raises:
            ConfigError: There are no recorded frames, or no policy.
            MissingExtraError: pillow is not installed.
        """
        recordings = self._recorded("write_gif")
        steps = {name: outcome.steps_to_reach for name, outcome in self.policies.items()}
        return write_result(
            "GoalReachingResult.write_gif",
            path,
            lambda file: draw_film(file, recordings, steps, scale=scale, frames_per_second=frames_per_second),
            overwrite=overwrite,
        )

    def _recorded(self, method: str) -> Mapping[str, Recording]:
        frames = min((len(recording.frames) for recording in self.recordings.values()), default=0)
        if not self.recordings or (method == "write_gif" and frames == 0):
            raise ConfigError(
                f"GoalReachingResult.{method} needs recorded episodes",
                "this result has none (JSON files hold none, and `num_recorded=0` keeps no frames)",
                "Call it on what `goal_reaching(..., num_recorded=4)` returned",
            )
        return self.recordings
