"""Pairs of a start and a goal, and what counts as reaching it."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from ..._checks import check_number, describe
from ...errors import ConfigError, NonFiniteError, ShapeError


@final
@dataclass(frozen=True, eq=False)
class GoalPairs:
    """Starts and goals of a goal-reaching protocol, with everything that defines success in it.

    A goal is reached at a step when the Euclidean distance from the state after that step to the goal is at
    most `success_radius`.

    Attributes:
        start: States that the environment is set to, one pair a row.
        goal: States to reach, one pair a row.
        protocol: Name of the protocol, for tables and files.
        budget: Number of environment steps that a policy may take.
        success_radius: Distance that counts as reached, in the units of the states.
        num_presolved: Number of drawn pairs that were left out because they were solved before the first
            step.

    Raises:
        ShapeError: Starts and goals that are no two equally shaped tables of floats, or no pair at all.
        NonFiniteError: NaN or infinite states.
        ConfigError: A budget below 1, a radius that is not above 0, a negative count.

    Example:
        ```python
        import numpy as np
        from leworld.evaluation import GoalPairs

        pairs = GoalPairs(
            start=np.array([[30.0, 30.0], [30.0, 30.0]], dtype=np.float32),
            goal=np.array([[90.0, 30.0], [31.0, 30.0]], dtype=np.float32),
            protocol="by-hand",
            budget=50,
            success_radius=16.0,
        )
        assert len(pairs) == 2
        assert len(pairs.unsolved()) == 1 and pairs.unsolved().num_presolved == 1
        ```
    """

    start: Float[np.ndarray, "pair state"]
    goal: Float[np.ndarray, "pair state"]
    protocol: str
    budget: int
    success_radius: float
    num_presolved: int = 0

    def __post_init__(self) -> None:
        for name in ("start", "goal"):
            value = getattr(self, name)
            if not isinstance(value, np.ndarray) or value.ndim != 2 or value.dtype.kind != "f":
                raise ShapeError(
                    f"GoalPairs needs `{name}` to be a floating-point array with axes (pair, state)",
                    f"`{name}` is {describe(value)}",
                    "Pass states as float32, one pair a row",
                )
            if not np.isfinite(value).all():
                raise NonFiniteError(
                    f"GoalPairs needs finite `{name}`",
                    f"{int((~np.isfinite(value)).sum())} of {value.size} entries are NaN or infinite",
                    "Leave those pairs out",
                )
        if self.start.shape != self.goal.shape or self.start.size == 0:
            raise ShapeError(
                "GoalPairs needs as many goals as starts, of the same size, and at least one",
                f"`start` is {describe(self.start)} and `goal` is {describe(self.goal)}",
                "Pass one goal for every start",
            )
        check_number("GoalPairs", "budget", self.budget, low=1, integer=True)
        check_number("GoalPairs", "success_radius", self.success_radius, low=0, open_low=True)
        check_number("GoalPairs", "num_presolved", self.num_presolved, low=0, integer=True)

    def __len__(self) -> int:
        return self.start.shape[0]

    def unsolved(self) -> "GoalPairs":
        """Leave out the pairs that are solved before the first step, and count them in `num_presolved`."""
        solved = distances(self.start, self.goal) <= self.success_radius
        if solved.all():
            raise ConfigError(
                "goal reaching needs pairs that are not solved at the start",
                f"all {len(self)} goals lie within {self.success_radius:g} of their starts",
                "Draw goals farther away, for example with a larger `goal_offset`",
            )
        return GoalPairs(
            start=self.start[~solved],
            goal=self.goal[~solved],
            protocol=self.protocol,
            budget=self.budget,
            success_radius=self.success_radius,
            num_presolved=self.num_presolved + int(solved.sum()),
        )


def distances(state: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Euclidean distance of each state to its goal, in float64."""
    return np.linalg.norm(state.astype(np.float64) - goal.astype(np.float64), axis=-1)
