"""The physics of Push-T: one disc, one block, four walls."""

import math
from array import array
from collections.abc import Mapping
from typing import Any, final

import numpy as np
from jaxtyping import Float

from ..._checks import require

require("pymunk", extra="pusht", purpose="Push-T")
import pymunk  # noqa: E402 -- after the check

from ._figure import (  # noqa: E402
    AGENT_RADIUS,
    BAR,
    CENTRE_OF_GRAVITY,
    LINE_RADIUS,
    MOMENT,
    STEM,
    WALLS,
)

REACH = 100.0  # how far from the agent an action of 1 puts its target
_MASS = 1.0
_TIME_STEP, _SUB_STEPS = 0.01, 10
# Where the published versions add agent and block before they move them: it decides which way overlaps part.
_ADDED_AT = ((256.0, 400.0), (256.0, 300.0))
_STIFFNESS, _DAMPING = 100.0, 20.0


def one_turn(angle: Any) -> Any:
    """Return angles in [0, 2 pi); `%` alone rounds tiny negative ones up to 2 pi."""
    rest = angle % (2 * math.pi)
    return np.where(rest < 2 * math.pi, rest, 0.0)


@final
class PushTPhysics:
    """One space with an agent, a block and walls, moved by pymunk as the published versions move theirs.

    A state is the agent's x and y, the block's x, y and angle, and the agent's velocity along x and y, in
    pixels of a picture of 512 with y downward. The block's place is the middle of its bar's far edge.

    The agent is driven, not pushed: neither walls nor the block stop it. The block stops at once where
    nothing pushes it, and has no friction.

    A copy, or one that was pickled, repeats everything since the state was set, since pymunk copies neither
    contacts nor the place of a block to the bit: 0.1 ms and 16 bytes a step.
    """

    def __init__(self) -> None:
        self.set_state(np.array([256.0, 400.0, 400.0, 100.0, 0.0, 0.0, 0.0]))

    def set_state(self, state: Float[np.ndarray, "7"], *, settle: bool = False) -> None:
        """Put everything where `state` says, in a new space: what follows depends on `state` alone.

        A space that was used before resolves contacts in another order, which is seen after a few pushes.
        With `settle`, one sub-step of 0.01 s follows, as in the published versions: the agent drifts by a
        hundredth of its velocity, and overlaps are pushed apart a little.
        """
        agent_x, agent_y, x, y, angle, velocity_x, velocity_y = start = tuple(map(float, state))
        space = pymunk.Space()
        space.damping = 0.0
        for first, last in WALLS:
            space.add(pymunk.Segment(space.static_body, first, last, LINE_RADIUS))
        agent, block = pymunk.Body(body_type=pymunk.Body.KINEMATIC), pymunk.Body(_MASS, MOMENT)
        block.center_of_gravity = CENTRE_OF_GRAVITY
        agent.position, block.position = _ADDED_AT
        space.add(agent, pymunk.Circle(agent, AGENT_RADIUS))
        space.add(block, pymunk.Poly(block, BAR), pymunk.Poly(block, STEM))
        agent.velocity, agent.position = (velocity_x, velocity_y), (agent_x, agent_y)
        block.angle = angle  # turns about the centre of gravity, so it comes before the place
        block.position = x, y
        if settle:
            space.step(_TIME_STEP)
        self._space, self._agent, self._block = space, agent, block
        self._start, self._settled, self._moves = start, settle, array("d")

    def __getstate__(self) -> dict[str, Any]:
        return {"start": self._start, "settled": self._settled, "moves": self._moves.tobytes()}

    def __setstate__(self, history: Mapping[str, Any]) -> None:
        self.set_state(np.array(history["start"]), settle=history["settled"])
        for move in np.frombuffer(history["moves"]).reshape(-1, 2):
            self.step(move)

    def state(self) -> Float[np.ndarray, "7"]:
        """Return the state, float64, with the angle in [0, 2 pi); before the first step what was set.

        Asked of pymunk, the block's place would differ from that in its last bit.
        """
        if not self._moves and not self._settled:
            state = np.array(self._start)
        else:
            place, block = self._agent.position, self._block
            state = np.array([*place, *block.position, block.angle, *self._agent.velocity])
        state[4] = one_turn(state[4])
        return state

    def step(self, action: Float[np.ndarray, "2"]) -> None:
        """Move for a tenth of a second toward a target `REACH` times `action` away from the agent.

        A proportional-derivative control sets the agent's velocity in each of ten sub-steps; the target
        stays where it is.
        """
        agent, space = self._agent, self._space
        (place_x, place_y), (speed_x, speed_y) = agent.position, agent.velocity
        self._moves.extend((float(action[0]), float(action[1])))
        away_x, away_y = REACH * float(action[0]), REACH * float(action[1])
        target_x, target_y = place_x + away_x, place_y + away_y
        for _ in range(_SUB_STEPS):
            speed_x += (_STIFFNESS * (target_x - place_x) - _DAMPING * speed_x) * _TIME_STEP
            speed_y += (_STIFFNESS * (target_y - place_y) - _DAMPING * speed_y) * _TIME_STEP
            agent.velocity = speed_x, speed_y
            space.step(_TIME_STEP)
            place_x += speed_x * _TIME_STEP
            place_y += speed_y * _TIME_STEP
