"""Push-T's exact motion and pictures of many states at once, without episodes."""

import math
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float, UInt8

from ..._checks import check_number, describe, plain_numbers
from ...errors import ShapeError
from . import _figure as figure
from ._drawing import PushTDrawing
from ._limits import check_actions, check_states

Array = np.ndarray


@final
class PushTArena:
    """The world of Push-T on numpy arrays: states go in, states and pictures come out.

    Reach for it when you need the true dynamics (an oracle planner, a check of a learned model) or pictures
    of states; `PushT` wraps the same motion as a gymnasium environment. It holds no state. Needs pymunk as
    soon as something moves.

    A state is the agent's x and y, the block's x, y and angle, and the agent's velocity along x and y, in
    pixels of a picture of 512 with y downward, seconds and radians. The block's place is the middle of the
    far edge of its bar, not its centre. An action is where the agent's target lies, in units of 100 pixels
    from the agent, and moves it for a tenth of a second; see `PushT`.

    Raises:
        ShapeError: The last axis of states is not 7, or of actions not 2.
        NonFiniteError: A state or an action is NaN or infinite.
        ConfigError: An action is beyond 1e6 either way, or a state beyond 1e12.
        MissingExtraError: pymunk is not installed (`step` and `rollout`).

    Numerics: float64 throughout. What follows depends on states and actions alone: no contact is remembered
    between two calls. `rollout` keeps contacts between its steps, as an episode does, so that it is a little
    different from repeated `step`, and several times as fast.

    Example:
        ```python
        import numpy as np
        from leworld.envs import PushTArena

        arena = PushTArena()
        state = np.array([256, 420, 256, 256, np.pi / 4, 0, 0])
        ends = arena.rollout(state, np.tile([0.0, -1.0], (3, 1)))
        assert abs(ends[3] - 251.734) < 1e-3  # pushed upward
        assert arena.render(ends, 64).shape == (64, 64, 3)
        ```
    """

    size: ClassVar[float] = figure.SIZE
    agent_radius: ClassVar[float] = figure.AGENT_RADIUS
    centre_of_gravity: ClassVar[tuple[float, float]] = figure.CENTRE_OF_GRAVITY
    moment: ClassVar[float] = figure.MOMENT
    outline: ClassVar[tuple[tuple[float, float], ...]] = figure.OUTLINE

    def __init__(self) -> None:
        self._drawings: dict[int, PushTDrawing] = {}

    def step(
        self, states: Float[Array, "*#batch 7"], actions: Float[Array, "*#batch 2"]
    ) -> Float[Array, "*batch 7"]:
        """Return the states a tenth of a second after `actions`. Leading axes broadcast."""
        moves = check_actions("PushTArena.step", "actions", actions, shape="... 2")
        return self.rollout(states, moves[..., None, :])

    def rollout(
        self, states: Float[Array, "*#batch 7"], actions: Float[Array, "*#batch time 2"]
    ) -> Float[Array, "*batch 7"]:
        """Return the states after all of `actions`, one after another. Leading axes broadcast."""
        from ._physics import PushTPhysics

        begun = check_states("PushTArena.rollout", "states", states, shape="... 7")
        moves = check_actions("PushTArena.rollout", "actions", actions, shape="... 2")
        if moves.ndim < 2:
            raise ShapeError(
                "PushTArena.rollout needs `actions` with the axes (..., time, 2)",
                f"`actions` is {describe(actions)}",
                "For one action, call `step`",
            )
        batch = np.broadcast_shapes(begun.shape[:-1], moves.shape[:-2])
        rows = math.prod(batch)
        begun = np.broadcast_to(begun, (*batch, 7)).reshape(rows, 7)
        moves = np.broadcast_to(moves, (*batch, *moves.shape[-2:])).reshape(rows, *moves.shape[-2:])
        ends, physics = np.empty_like(begun), PushTPhysics()
        for row, (state, steps) in enumerate(zip(begun, moves, strict=True)):
            physics.set_state(state)
            for action in steps:
                physics.step(action)
            ends[row] = physics.state()
        return ends.reshape(*batch, 7)

    @plain_numbers
    def render(
        self, states: Float[Array, "*batch 7"], image_size: int
    ) -> UInt8[Array, "*batch height width 3"]:
        """Return a picture of each state; see `PushTDrawing`."""
        check_number("PushTArena.render", "image_size", image_size, low=1, integer=True)
        if image_size not in self._drawings:
            self._drawings[int(image_size)] = PushTDrawing(image_size)
        return self._drawings[int(image_size)].render(states)
