"""The rule of success that asks for some components of the state, some of which are angles."""

import math
from dataclasses import dataclass, field
from typing import Literal, final

import numpy as np

from ..._checks import check_choice, check_number, describe, plain_numbers
from ...errors import ConfigError, ShapeError


@final
@plain_numbers
@dataclass
class StateRadius:
    r"""Counts a goal as reached within a radius of some components of the state, angles the short way round.

    With the differences $d_i$ of the chosen components, an angle's brought into $[-\pi, \pi)$, the distance
    is $\sqrt{\sum_i d_i^2}$, or $\max_i |d_i|$ with `norm="largest"`. It is a `Success`, for `GoalPairs` and
    tasks.

    Attributes:
        radius: Largest distance that counts as reached, in the unit of the components.
        components: Which components of the state count; None for all.
        angles: Which components of the state are angles in radians that wrap around.
        norm: "euclidean", or "largest" where each component has to be within the radius.
        distance_unit: Unit of the distance in words.
        success_words: The rule in words that follow "reached".

    Raises:
        ConfigError: A radius that is not above 0, components that are no list of different numbers, or an
            unknown norm.

    Example:
        ```python
        import numpy as np
        from leworld.evaluation import StateRadius

        rule = StateRadius(0.1, components=(0,), angles=(0,))  # an angle, whatever its speed
        state, goal = np.array([3.1, 5.0]), np.array([-3.12, 0.0])
        assert rule.reached(state, goal) and abs(rule.distance(state, goal) - 0.0632) < 1e-3
        ```
    """

    radius: float
    components: tuple[int, ...] | None = None
    angles: tuple[int, ...] = ()
    norm: Literal["euclidean", "largest"] = "euclidean"
    distance_unit: str = ""
    success_words: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_number("StateRadius", "radius", self.radius, low=0.0, open_low=True)
        check_choice("StateRadius", "norm", self.norm, ("euclidean", "largest"))
        for name, value in (("components", self.components), ("angles", self.angles)):
            if name == "components" and value is None:
                continue
            if (
                not isinstance(value, tuple)
                or len(set(value)) < len(value)
                or (not value and name != "angles")
            ):
                raise ConfigError(
                    f"StateRadius needs `{name}` to be a tuple of different numbers of components",
                    f"`{name}` is {describe(value)}",
                    "Pass for example (0, 1)",
                )
            for index in value:
                check_number("StateRadius", name, index, low=0, integer=True)
        if not isinstance(self.distance_unit, str):
            raise ConfigError(
                "StateRadius needs `distance_unit` to be a word",
                f"it is {describe(self.distance_unit)}",
                'Pass for example "rad"',
            )
        self.success_words = self._words()

    def distance(self, state: np.ndarray, goal: np.ndarray, /) -> np.ndarray:
        """Return how far each state "... state" is from its goal; leading axes broadcast."""
        apart = np.asarray(state, np.float64) - np.asarray(goal, np.float64)
        most = max((*(self.components or ()), *self.angles), default=0)
        if apart.ndim == 0 or most >= apart.shape[-1]:
            raise ShapeError(
                "StateRadius needs states that have the components of its rule",
                f"the rule names component {most}, and the states are {describe(np.asarray(state))}",
                "Count components from 0, along the last axis",
            )
        for angle in self.angles:
            apart[..., angle] = (apart[..., angle] + math.pi) % (2 * math.pi) - math.pi
        if self.components is not None:
            apart = apart[..., list(self.components)]
        return np.abs(apart).max(axis=-1) if self.norm == "largest" else np.linalg.norm(apart, axis=-1)

    def reached(self, state: np.ndarray, goal: np.ndarray, /) -> np.ndarray:
        """Say of each state "... state" whether it is at its goal; leading axes broadcast."""
        return np.asarray(self.distance(state, goal) <= self.radius)

    def _words(self) -> str:
        kinds = [
            f"{'angle' if place in self.angles else 'component'} {place}" for place in self.components or ()
        ]
        unit = f" {self.distance_unit}" if self.distance_unit else ""
        what = f" in {' and '.join(kinds)}" if kinds else ""
        return f"{'each ' * (self.norm == 'largest')}within {self.radius:g}{unit} of the goal{what}"
