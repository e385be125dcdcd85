"""What counts as reached in Push-T: the published criterion, one of the block alone, and a strict one."""

from typing import final

import numpy as np

_PLACES = {"agent and block": (0, 1, 2, 3), "block": (2, 3)}


@final
class PushTCriterion:
    """Places within a distance and the block's angle within another, for `leworld.evaluation.GoalPairs`.

    The distance that tables show is the larger of both in units of what is allowed: below 1 is reached.

    Args:
        place: Allowed distance in pixels of 512: of agent and block together, as one vector, or of the block.
        angle: Allowed difference of the block's angles in radians.
        block_only: Whether the agent may be anywhere.
    """

    distance_unit = "of what is allowed"

    def __init__(self, place: float = 20.0, angle: float = np.pi / 9, *, block_only: bool = False) -> None:
        self.place, self.angle = place, angle
        self._judged = "block" if block_only else "agent and block"
        self.success_words = (
            f"with {self._judged} within {place:g} px and the angle within {np.rad2deg(angle):g} degrees"
        )

    def distance(self, state: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """Return the larger of both distances, each in units of what is allowed."""
        apart = np.asarray(state, np.float64) - np.asarray(goal, np.float64)
        places = np.linalg.norm(apart[..., _PLACES[self._judged]], axis=-1)
        turn = np.abs((apart[..., 4] + np.pi) % (2 * np.pi) - np.pi)
        return np.maximum(places / self.place, turn / self.angle)

    def reached(self, state: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """Say of states whether both distances are below what is allowed."""
        return self.distance(state, goal) < 1.0


PUBLISHED = PushTCriterion()
BLOCK = PushTCriterion(block_only=True)
STRICT = PushTCriterion(10.0, np.pi / 18, block_only=True)
