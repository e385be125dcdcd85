"""TwoRoom as a gymnasium environment."""

from collections.abc import Sequence
from typing import Any, final

import numpy as np

from ..._checks import check_number, plain_numbers, require
from .._options import RENDER_SIZE, check_render_mode, check_seed, check_started
from ._arena import TwoRoomArena
from ._geometry import DEFAULT_DOORS
from ._motion import move
from ._options import draw_task, read_actions, read_options

require("gymnasium", extra="envs", purpose="TwoRoom")
import gymnasium  # noqa: E402 -- after the check


@final
@plain_numbers
class TwoRoom(gymnasium.Env[np.ndarray, np.ndarray]):
    """Reach a goal in the other room, through the door, from pixels: the TwoRoom task of LeWorldModel.

    Reach for `TwoRoomVector` to gather data or to evaluate, which moves all copies at once. Made by
    `gymnasium.make("leworld/TwoRoom-v0")` with episodes of at most 100 steps, or directly without that limit.

    Observation: uint8 picture (image_size, image_size, 3) of the arena and the agent; the goal is not in it.
    Action: `Box(-1, 1, (2,), float32)`, clipped; see `TwoRoomArena` for the motion and the units.
    Reward: 1 in a step that ends within 16 units of the goal, else 0. Such a step also sets `terminated`.
    Info: `state` and `goal` (float32 x and y), `goal_pixels` (the picture with the agent at the goal).

    `reset` draws start and goal uniformly, in different rooms. `reset(options={"state": xy, "goal": xy})`
    sets either or both, anywhere free; one that is left out is drawn in the other room.

    Args:
        doors: Pairs (centre, half-width) along y, see `TwoRoomArena`.
        image_size: Pixels per side of an observation.
        render_mode: None, or "rgb_array": `render()` returns a 224 x 224 picture with the goal in green.

    Raises:
        MissingExtraError: gymnasium is not installed (at the import of the class).
        ConfigError: A door, the image size or an option is out of its range, or a position inside a wall.
        ShapeError: A position or an action has not 2 components.
        NonFiniteError: A position or an action is NaN or infinite.

    Numerics: the state is float32 throughout, so an episode restarted from a recorded `state` repeats to
    the bit.

    Randomness: starts and goals come from the environment's own generator, set by `reset(seed=...)`.

    Source: Sobal et al., 2025, arXiv:2502.14819, in LeWorldModel's form (arXiv:2603.19312).

    Example:
        ```python
        import numpy as np
        from leworld.envs import TwoRoom

        env = TwoRoom()
        pixels, info = env.reset(seed=0, options={"state": [80, 49], "goal": [110, 49]})
        pixels, reward, terminated, truncated, info = env.step(np.array([1, 0], dtype=np.float32))
        pixels, reward, terminated, truncated, info = env.step(np.array([1, 0], dtype=np.float32))
        assert not terminated and info["state"].tolist() == [90, 49]
        assert env.step(np.array([1, 0], dtype=np.float32))[1:3] == (1.0, True)
        ```
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 -- as gymnasium has it

    def __init__(
        self,
        doors: Sequence[tuple[float, float]] = DEFAULT_DOORS,
        *,
        image_size: int = 64,
        render_mode: str | None = None,
    ) -> None:
        check_number("TwoRoom", "image_size", image_size, low=1, integer=True)
        check_render_mode("TwoRoom", render_mode)
        self.arena = TwoRoomArena(doors)
        self.image_size = int(image_size)
        self.render_mode = render_mode
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.observation_space = gymnasium.spaces.Box(0, 255, (self.image_size, self.image_size, 3), np.uint8)
        self._painter = self.arena.painter(self.image_size)
        self._state = self._goal = np.zeros(2, np.float32)
        self._goal_pixels = self._painter.background
        self._started = False

    @plain_numbers
    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode; `options` may set `state` and `goal`."""
        given = read_options(self.arena, "TwoRoom.reset", options, num_envs=None)
        check_seed("TwoRoom.reset", seed)
        super().reset(seed=seed)
        self._state, self._goal = draw_task(self.np_random, given["state"], given["goal"])
        self._goal_pixels = self._painter.paint(self._goal)
        self._started = True
        return self._painter.paint(self._state), self._info()

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Move once. `truncated` is always False here; gymnasium's time limit sets it."""
        checked = read_actions("TwoRoom.step", "action", action, shape="2")
        check_started("TwoRoom.step", self._started)
        self._state = move(self.arena.passages, self._state, checked)
        reached = bool(self.arena.reached(self._state, self._goal))
        return self._painter.paint(self._state), float(reached), reached, False, self._info()

    def render(self) -> np.ndarray | None:
        """Return a 224 x 224 picture with the goal in green, or None without a render mode."""
        if self.render_mode is None:
            return None
        check_started("TwoRoom.render", self._started)
        return self.arena.painter(RENDER_SIZE).paint(self._state, self._goal)

    def _info(self) -> dict[str, Any]:
        return {
            "state": self._state.copy(),
            "goal": self._goal.copy(),
            "goal_pixels": self._goal_pixels.copy(),
        }
