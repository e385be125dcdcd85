"""What goal reaching needs of an environment."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

# Pixels, or a mapping of parts in a world that shows several. Its user knows which: no test is asked for.
if TYPE_CHECKING:
    Shown: TypeAlias = np.ndarray | Any
else:
    Shown = np.ndarray | Mapping[str, np.ndarray]


@runtime_checkable
class GoalEnvironment(Protocol):
    """Several copies of an environment that can be set to a state and given a goal, stepped together.

    It is the part of `gymnasium.vector.VectorEnv` that `goal_reaching` uses, with these duties beyond it:

    - `reset(options={"state": ..., "goal": ...})` puts copy i into row i of `state`, with row i of `goal` as
      its goal. Both have the axes (env, state).
    - The observation is the pixels, uint8 with the axes (env, height, width, channel), or a mapping of named
      parts: `pixels`, further pictures, and vectors (env, dim).
    - Vectors (env, dim) in the info, for example "proprio", count as parts as well.
    - Actions are (env, action), or the numbers of choices (env,) in a discrete world.
    - The info of `reset` and `step` holds "state" (env, state), and that of `reset` also what the goal would
      look like: "goal_pixels", and "goal_<part>" for other parts that a model compares.
    - A copy that has reached its goal goes on like any other: no automatic reset. In gymnasium's words,
      `metadata["autoreset_mode"]` is `DISABLED`.

    - `reset()` without these options draws states by itself, from its seed.

    What `make` of a task in `leworld.tasks` returns is one.

    Example:
        ```python
        from leworld.evaluation import GoalEnvironment
        from leworld.tasks import get_task

        assert isinstance(get_task("tworoom").make(2), GoalEnvironment)
        ```
    """

    num_envs: int

    @abstractmethod
    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Shown, dict[str, Any]]:
        """Set states and goals, and return observation and info."""
        ...

    @abstractmethod
    def step(
        self, actions: np.ndarray, /
    ) -> tuple[Shown, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Apply one action a copy and return observation, rewards, terminated, truncated and info."""
        ...
