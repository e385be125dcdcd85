"""Pairs of a start and a goal, and what counts as reaching it."""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Bool, Float

from ..._checks import check_number, describe, plain_numbers
from ...errors import ConfigError, NonFiniteError, ShapeError
from ._success import Success


@final
@plain_numbers
@dataclass(frozen=True, eq=False)
class GoalPairs:
    """Starts and goals of a goal-reaching protocol, with everything that defines success in it.

    A goal is reached at a step when the Euclidean distance from the state after that step to the goal is at
    most `success_radius`, or when the rule `success` says so. One of the two has to be given.

    Attributes:
        start: States that the environment is set to, one pair a row.
        goal: States to reach, one pair a row.
        protocol: Name of the protocol, for tables and files.
        budget: Number of environment steps that a policy may take.
        success_radius: Distance that counts as reached, in the units of the states; None with a rule.
        num_presolved: Number of drawn pairs that were left out because they were solved before the first
            step.
        success: Rule for reached and distance, for example a task; None with a radius.
        hold_steps: Consecutive steps that a state has to be at its goal before that counts.

    Raises:
        ShapeError: Starts and goals that are no two equally shaped tables of floats, or no pair at all.
        NonFiniteError: NaN or infinite states.
        ConfigError: A budget below 1, a radius that is not above 0, a negative count, more steps to hold than
            the budget has, or both or neither of radius and rule.

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
    success_radius: float | None = None
    num_presolved: int = 0
    success: Success | None = None
    hold_steps: int = 1

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
        check_number("GoalPairs", "num_presolved", self.num_presolved, low=0, integer=True)
        check_number("GoalPairs", "hold_steps", self.hold_steps, low=1, high=self.budget, integer=True)
        check_success("GoalPairs", self.success_radius, self.success)
        for name in ("start", "goal"):
            object.__setattr__(self, name, getattr(self, name).copy())

    def __len__(self) -> int:
        return self.start.shape[0]

    def unsolved(self) -> "GoalPairs":
        """Leave out the pairs that are solved before the first step, and count them in `num_presolved`."""
        solved = self.reached(self.start, self.goal)
        if solved.all():
            raise ConfigError(
                "goal reaching needs pairs that are not solved at the start",
                f"all {len(self)} starts are {self.words}",
                "Draw goals farther away, for example with a larger `goal_offset`",
            )
        return replace(
            self,
            start=self.start[~solved],
            goal=self.goal[~solved],
            num_presolved=self.num_presolved + int(solved.sum()),
        )

    @property
    def words(self) -> str:
        """What counts as reached, in words that follow "reached"."""
        held = f", for {self.hold_steps} steps in a row" if self.hold_steps > 1 else ""
        return success_words(self.success_radius, self.success) + held

    def distance(
        self, state: Float[np.ndarray, "*#batch state"], goal: Float[np.ndarray, "*#batch state"]
    ) -> Float[np.ndarray, "*batch"]:
        """Return how far states are from goals, by the rule or else Euclidean."""
        return measure_distance(self.success, state, goal)

    def reached(
        self, state: Float[np.ndarray, "*#batch state"], goal: Float[np.ndarray, "*#batch state"]
    ) -> Bool[np.ndarray, "*batch"]:
        """Say of states whether they are at their goals, by the rule or else within the radius."""
        return judge_reached(self.success_radius, self.success, state, goal)

    def held(self, reached: Bool[np.ndarray, "pair step"]) -> Bool[np.ndarray, "pair step"]:
        """Say after which steps a goal counts as reached, from where states were at their goals."""
        counts = reached.copy()
        for back in range(1, self.hold_steps):
            counts[:, back:] &= reached[:, :-back]
            counts[:, back - 1] = False
        return counts


def success_words(radius: float | None, success: Success | None) -> str:
    """Say in words what counts as reached."""
    return f"within {radius:g} of the goal" if success is None else success.success_words


def check_success(owner: str, radius: object, success: object) -> None:
    """Raise unless exactly one of radius and rule is given, and is one."""
    if (radius is None) == (success is None):
        raise ConfigError(
            f"{owner} needs either `success_radius` or a rule `success`",
            "neither was given" if radius is None else f"both were given, `success_radius={radius}`",
            "Pass one of them; a task of `leworld.tasks` is a rule",
        )
    if success is None:
        check_number(owner, "success_radius", radius, low=0, open_low=True)
    elif not isinstance(success, Success):
        raise ConfigError(
            f"{owner} needs `success` to be a rule with `reached` and `distance`",
            f"`success` is {describe(success)}",
            "See `leworld.evaluation.Success`, or pass a task",
        )


def measure_distance(success: Success | None, state: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Distance of each state to its goal by a rule, checked, or else Euclidean."""
    if success is None:
        return distances(state, goal)
    found = np.array(success.distance(state.copy(), goal.copy()), dtype=np.float64)
    due = np.broadcast_shapes(state.shape, goal.shape)[:-1]
    if found.shape != due or not np.isfinite(found).all():
        raise ShapeError(
            f"goal reaching needs a rule whose `distance` gives one finite number a state, {due}",
            f"`{type(success).__name__}.distance` returned {describe(found)}",
            "Reduce over the last axis of the states alone",
        )
    return found


def judge_reached(
    radius: float | None, success: Success | None, state: np.ndarray, goal: np.ndarray
) -> np.ndarray:
    """Whether each state is at its goal by a rule, checked, or else within the radius."""
    if success is None:
        return np.asarray(distances(state, goal) <= radius)
    found = np.array(success.reached(state.copy(), goal.copy()))
    due = np.broadcast_shapes(state.shape, goal.shape)[:-1]
    if found.shape != due or found.dtype != np.bool_:
        raise ShapeError(
            f"goal reaching needs a rule whose `reached` gives one truth value a state, {due}",
            f"`{type(success).__name__}.reached` returned {describe(found)}",
            "Reduce over the last axis of the states alone, with a comparison",
        )
    return found


def distances(state: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Euclidean distance of each state to its goal, in float64."""
    return np.linalg.norm(state.astype(np.float64) - goal.astype(np.float64), axis=-1)
