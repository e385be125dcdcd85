"""The result of a goal-reaching protocol: a table, a JSON file, a picture and a film."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np
from jaxtyping import Float

from ..._files import write_atomically
from ...errors import ConfigError, DataError, ShapeError
from ._figures import draw_film, draw_paths
from ._outcome import PolicyOutcome
from ._recording import Recording

SCHEMA_VERSION = 1
_KIND = "goal_reaching"


@final
@dataclass(frozen=True, eq=False)
class GoalReachingResult:
    """What every policy achieved on the same pairs of start and goal.

    `print(result)` shows the table. `save` writes JSON with the summary and every pair's outcome; `plot` and
    `write_gif` need the extra `viz`. All files are written whole or not at all.

    Attributes:
        protocol: Name of the protocol.
        budget: Environment steps that each policy could take.
        success_radius: Distance that counted as reached.
        num_presolved: Pairs that were left out because they were solved before the first step.
        seed: The seed of the evaluation.
        start: Starts of the pairs that were played.
        goal: Goals of the pairs that were played.
        policies: Outcome by name of the policy, in the order given.
        recordings: Paths and pictures by name of the policy; empty when read from JSON.

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
    success_radius: float
    num_presolved: int
    seed: int
    start: Float[np.ndarray, "pair state"]
    goal: Float[np.ndarray, "pair state"]
    policies: Mapping[str, PolicyOutcome]
    recordings: Mapping[str, Recording] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        sizes = {name: len(outcome.reached) for name, outcome in self.policies.items()}
        if not sizes or set(sizes.values()) != {len(self.start)} or self.start.shape != self.goal.shape:
            raise ShapeError(
                "GoalReachingResult needs one start, one goal and one outcome a policy for every pair",
                f"there are {len(self.start)} starts, {len(self.goal)} goals and outcomes for {sizes}",
                "Take results from `goal_reaching`",
            )

    @property
    def num_pairs(self) -> int:
        """Number of pairs that were played."""
        return self.start.shape[0]

    def __str__(self) -> str:
        drawn = self.num_pairs + self.num_presolved
        lines = [
            f"{self.protocol}: {self.num_pairs} pairs, {self.budget} steps each, reached within "
            f"{self.success_radius:g} of the goal",
            f"({self.num_presolved} of {drawn} drawn pairs were solved at the start and are left out)",
        ]
        header = ("policy", "reached", "95 % interval", "at last step", "95 % interval")
        header += ("median steps", "final distance")
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
                    f"{outcome.mean_final_distance:.1f}",
                )
            )
        widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
        for row in rows:
            cells = [row[0].ljust(widths[0])]
            cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
            lines.append("  ".join(cells).rstrip())
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Return everything but the recordings as JSON values."""
        return {
            "schema_version": SCHEMA_VERSION,
            "kind": _KIND,
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
        if not isinstance(data, Mapping) or data.get("kind") != _KIND:
            raise DataError(
                "GoalReachingResult.from_json needs what `to_json` wrote",
                f"the value has no entry `kind` equal to `{_KIND}`",
                "Pass the parsed JSON of a file that `save` wrote",
            )
        if data.get("schema_version") != SCHEMA_VERSION:
            raise DataError(
                f"GoalReachingResult.from_json reads schema version {SCHEMA_VERSION}",
                f"the file has version {data.get('schema_version')!r}",
                "Read it with the release that wrote it, or evaluate again",
            )
        try:
            return GoalReachingResult(
                protocol=data["protocol"],
                budget=data["budget"],
                success_radius=data["success_radius"],
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

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write `to_json` to a file and return its path."""
        text = json.dumps(self.to_json(), indent=1, allow_nan=False) + "\n"
        return write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))

    def plot(self, path: str | os.PathLike[str]) -> Path:
        """Draw every policy's paths from start to goal, and write the picture (png, pdf or svg).

        Raises:
            ConfigError: There are no recordings, or no policy.
            MissingExtraError: matplotlib is not installed.
        """
        recordings = self._recorded("plot")
        return write_atomically(path, lambda file: draw_paths(file, self.policies, recordings, self.goal))

    def write_gif(
        self, path: str | os.PathLike[str], *, scale: int = 2, frames_per_second: float = 10.0
    ) -> Path:
        """Write a film of the recorded episodes: one column a pair, the goal on top, one row a policy.

        A green frame marks the moments from which the goal has been reached.

        Raises:
            ConfigError: There are no recorded frames, or no policy.
            MissingExtraError: pillow is not installed.
        """
        recordings = self._recorded("write_gif")
        steps = {name: outcome.steps_to_reach for name, outcome in self.policies.items()}
        return write_atomically(
            path,
            lambda file: draw_film(file, recordings, steps, scale=scale, frames_per_second=frames_per_second),
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
