"""What counts as reaching a goal, where one Euclidean radius does not tell it."""

from abc import abstractmethod
from typing import Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class Success(Protocol):
    """A rule for when a state counts as its goal, and how far it is from it.

    Every `leworld.tasks.Task` is one. `GoalPairs` takes it in place of a radius: for angles that wrap around,
    or for a position and an angle with a threshold each.

    Attributes:
        success_words: The rule in words, as tables show it after "reached": "within 5 cm and 10 degrees".
        distance_unit: Unit of `distance` in words, "" where there is none.

    Example:
        ```python
        import numpy as np
        from leworld.evaluation import GoalPairs, Success

        class Turned:
            success_words, distance_unit = "within 0.2 rad of the goal", "rad"

            def distance(self, state, goal):
                return np.abs((state - goal + np.pi) % (2 * np.pi) - np.pi).max(axis=-1)

            def reached(self, state, goal):
                return self.distance(state, goal) <= 0.2

        start, goal = np.array([[3.1]], np.float32), np.array([[-3.1]], np.float32)
        assert isinstance(Turned(), Success)
        pairs = GoalPairs(start=start, goal=goal, protocol="turn", budget=10, success=Turned())
        assert pairs.reached(start, goal).tolist() == [True]  # 0.08 rad apart, the short way round
        ```
    """

    @property
    @abstractmethod
    def success_words(self) -> str:
        """The rule in words."""
        ...

    @property
    @abstractmethod
    def distance_unit(self) -> str:
        """Unit of `distance`."""
        ...

    @abstractmethod
    def reached(self, state: np.ndarray, goal: np.ndarray, /) -> np.ndarray:
        """Say of each state "... state" whether it is at its goal; leading axes broadcast."""
        ...

    @abstractmethod
    def distance(self, state: np.ndarray, goal: np.ndarray, /) -> np.ndarray:
        """Return how far each state "... state" is from its goal; leading axes broadcast."""
        ...
