"""When a state of Push-T counts as its goal."""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float

from ..._checks import check_float_array, check_number, describe, plain_numbers
from ...errors import ConfigError, ShapeError


@final
@plain_numbers
@dataclass(frozen=True)
class PushTSuccess:
    r"""A criterion for Push-T: how near a state has to be to its goal.

    A state counts when its place is nearer to the goal's than `place` and its angle than `angle`:

    $$\lVert p - p^\ast \rVert_2 < d \quad\text{and}\quad \min(\delta, 2\pi - \delta) < a,\qquad
    \delta = |\theta - \theta^\ast| \bmod 2\pi$$

    with the block's angle $\theta$ and the place $p$: the four coordinates of agent and block, or the block's
    two. It is also a rule for `leworld.evaluation.GoalPairs`.

    The defaults are the published criterion, in which the agent counts. `PushTSuccess(agent_counts=False)`
    asks for the block only; CLEAR-LeWM's strict criterion is `PushTSuccess(10, math.radians(10),
    agent_counts=False)`, to be held for three steps.

    Args:
        place: In units of the 512 x 512 world, above 0.
        angle: In radians, above 0.
        agent_counts: Whether the agent has to be at its goal too.

    Raises:
        ConfigError: A bound is not above 0.
        ShapeError: States or goals have no last axis of 7, or do not broadcast.
        NonFiniteError: A state or a goal is NaN or infinite.

    Source: the `eval_state` of DINO-WM (Zhou et al., 2024, arXiv:2411.04983), which LeWorldModel (Maes et
    al., 2026, arXiv:2603.19312) takes over.

    Example:
        ```python
        import numpy as np
        from leworld.envs import PushTSuccess

        goal = np.array([100.0, 100, 250, 250, 0.1, 0, 0])
        near = np.array([100.0, 130, 250, 255, 6.2, 0, 0])
        assert not PushTSuccess().reached(near, goal)  # the agent is 30 away
        assert PushTSuccess(agent_counts=False).reached(near, goal)
        ```
    """

    place: float = 20.0
    angle: float = math.pi / 9
    agent_counts: bool = True

    def __post_init__(self) -> None:
        check_number("PushTSuccess", "place", self.place, low=0, open_low=True)
        check_number("PushTSuccess", "angle", self.angle, low=0, open_low=True)

    @property
    def success_words(self) -> str:
        """The rule in words that follow "reached"."""
        judged = "agent and block" if self.agent_counts else "the block"
        return f"with {judged} within {self.place:g} px and {math.degrees(self.angle):g} degrees"

    @property
    def distance_unit(self) -> str:
        """Unit of `distance` in words."""
        return "of what is allowed"

    def distance(
        self, states: Float[np.ndarray, "*#batch 7"], goals: Float[np.ndarray, "*#batch 7"]
    ) -> Float[np.ndarray, "*batch"]:
        """Return the larger of both distances, each in units of what is allowed. Leading axes broadcast."""
        place, turn = self._apart("PushTSuccess.distance", states, goals)
        return np.maximum(place / self.place, turn / self.angle)

    def reached(
        self, states: Float[np.ndarray, "*#batch 7"], goals: Float[np.ndarray, "*#batch 7"]
    ) -> Bool[np.ndarray, "*batch"]:
        """Say of each state whether it counts as its goal. Leading axes broadcast."""
        place, turn = self._apart("PushTSuccess.reached", states, goals)
        return np.asarray((place < self.place) & (turn < self.angle))

    def _apart(self, owner: str, states: np.ndarray, goals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the distances of the places and of the angles."""
        here = check_float_array(owner, "states", states, shape="... 7")
        there = check_float_array(owner, "goals", goals, shape="... 7")
        try:
            change = here.astype(np.float64) - there
        except ValueError:
            raise ShapeError(
                f"{owner} needs `states` and `goals` whose leading axes broadcast",
                f"`states` is {describe(here)} and `goals` is {describe(there)}",
                "Give both the same leading axes, or axes of size 1",
            ) from None
        place = np.linalg.norm(change[..., 0 if self.agent_counts else 2 : 4], axis=-1)
        turn = np.abs(change[..., 4]) % (2 * np.pi)
        return place, np.minimum(turn, 2 * np.pi - turn)


def check_success(owner: str, success: object) -> PushTSuccess:
    """Return the criterion, the published one for None, or raise an error that speaks for `owner`."""
    if success is None:
        return PushTSuccess()
    if not isinstance(success, PushTSuccess):
        raise ConfigError(
            f"{owner} needs `success` to be a `leworld.envs.PushTSuccess`",
            f"it is {describe(success)}",
            "Pass for example PushTSuccess(agent_counts=False), or None",
        )
    return success
