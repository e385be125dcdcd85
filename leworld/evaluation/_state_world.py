"""What a world must do so that a state in it can be changed by hand."""

from abc import abstractmethod
from typing import Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class StateWorld(Protocol):
    """A world that can be set to a state: it moves states and draws them, like a task's `world`.

    Example:
        ```python
        from leworld.evaluation import StateWorld
        from leworld.tasks import get_task

        assert isinstance(get_task("tworoom").world, StateWorld)
        ```
    """

    @abstractmethod
    def step(self, positions: np.ndarray, actions: np.ndarray, /) -> np.ndarray:
        """Return the states "... state" after one raw action each."""
        ...

    @abstractmethod
    def render(self, positions: np.ndarray, image_size: int, /) -> np.ndarray:
        """Return uint8 pictures "... height width channel" of states."""
        ...
