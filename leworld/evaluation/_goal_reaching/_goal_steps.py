"""Small steps toward goals, on which a model's distances are judged."""

import itertools
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from ..._checks import check_number, describe, plain_numbers
from ...errors import ConfigError, NonFiniteError, ShapeError


@final
@plain_numbers
@dataclass(frozen=True, eq=False)
class GoalSteps:
    """Steps that each bring a state a little closer to its goal, for `metric_monotonicity`.

    Attributes:
        start: States that the steps leave, one a row.
        after: States that they reach.
        goal: States that they head for.
        distance: True distance from start to goal, in the world's units.
        edges: Increasing borders of the distance bins that results are told by, at least two.

    Raises:
        ShapeError: Arrays that are no equally shaped tables of floats, or no step.
        NonFiniteError: NaN or infinite entries.
        ConfigError: Edges that do not increase.

    Example:
        ```python
        import numpy as np
        from leworld.evaluation import GoalSteps

        start, goal = np.array([[0.0], [1.0]]), np.array([[5.0], [9.0]])
        steps = GoalSteps(start, start + 1, goal, distance=np.array([5.0, 8.0]), edges=(0, 6, 9))
        assert len(steps) == 2
        ```
    """

    start: Float[np.ndarray, "step state"]
    after: Float[np.ndarray, "step state"]
    goal: Float[np.ndarray, "step state"]
    distance: Float[np.ndarray, " step"]
    edges: tuple[float, ...]

    def __post_init__(self) -> None:
        tables = {"start": self.start, "after": self.after, "goal": self.goal}
        everything: dict[str, object] = {**tables, "distance": self.distance}
        for name, value in everything.items():
            if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
                raise ShapeError(
                    f"GoalSteps needs `{name}` to be an array of floats",
                    f"`{name}` is {describe(value)}",
                    "Pass states as float32, one step a row",
                )
            if not np.isfinite(value).all():
                raise NonFiniteError(
                    f"GoalSteps needs finite `{name}`",
                    f"{int((~np.isfinite(value)).sum())} of {value.size} entries are NaN or infinite",
                    "Leave those steps out",
                )
        shapes = {table.shape for table in tables.values()}
        rows = next(iter(shapes))
        if len(shapes) > 1 or len(rows) != 2 or not all(rows) or self.distance.shape != rows[:1]:
            raise ShapeError(
                "GoalSteps needs start, after and goal (step, state) of one shape and a distance for each",
                f"they are {sorted(shapes)} and {self.distance.shape}",
                "Pass one row a step",
            )
        for edge in self.edges:
            check_number("GoalSteps", "edges", edge)
        if len(self.edges) < 2 or any(low >= high for low, high in itertools.pairwise(self.edges)):
            raise ConfigError(
                "GoalSteps needs `edges` to hold at least two numbers that increase",
                f"`edges={self.edges}` was given",
                "Pass for example (10, 20, 40, 80)",
            )
        for name in everything:
            object.__setattr__(self, name, getattr(self, name).copy())

    def __len__(self) -> int:
        return len(self.start)
