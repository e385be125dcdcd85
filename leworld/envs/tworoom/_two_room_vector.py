"""Many TwoRooms at once as one gymnasium vector environment."""

from collections.abc import Sequence
from typing import Any, final

import numpy as np

from ..._checks import plain_numbers, require
from ._arena import TwoRoomArena
from ._geometry import DEFAULT_DOORS
from ._motion import move
from ._options import draw_task, read_actions, read_options

require("gymnasium", extra="envs", purpose="TwoRoomVector")
import gymnasium  # noqa: E402 -- after the check
from gymnasium.vector import AutoresetMode  # noqa: E402

from .._options import RENDER_SIZE  # noqa: E402
from .._vector import VectorWorld  # noqa: E402


@final
@plain_numbers
class TwoRoomVector(VectorWorld):
    """`num_envs` independent `TwoRoom`s that move and are drawn together.

    Reach for it to gather data and to evaluate. Made by `gymnasium.make_vec("leworld/TwoRoom-v0",
    num_envs=...)` or directly. Environment i behaves to the bit like a `TwoRoom` reset with `seed + i`. What
    `TwoRoom` describes gets a leading axis: observations (num_envs, image_size, image_size, 3), info `state`
    (num_envs, 2), and so on; every entry of info is valid for every environment in every step.

    `autoreset_mode` says what follows the end of an episode, in gymnasium's words:

    - `NextStep` (gymnasium's default): the next `step` ignores that environment's action and resets it.
    - `SameStep`: it is reset at once; its last picture and info are in info's `final_obs` and `final_info`.
    - `Disabled`: nothing is reset. It moves on, `terminated` says whether it is at its goal now and
      `truncated` whether the time limit is used up, until `reset` is called (with
      `options={"reset_mask": ...}` for some environments only). Evaluations want this.

    Args:
        num_envs: Number of environments.
        doors: Pairs (centre, half-width) along y, see `TwoRoomArena`.
        image_size: Pixels per side of an observation.
        max_episode_steps: Steps after which an episode is truncated, or None for no limit.
        autoreset_mode: A `gymnasium.vector.AutoresetMode`, its value ("NextStep") or its name ("NEXT_STEP"),
            in any case of letters.
        render_mode: None, or "rgb_array": `render()` returns a 224 x 224 picture of each environment.

    Raises:
        MissingExtraError: gymnasium is not installed (at the import of the class).
        ConfigError: A setting or an option is out of its range, or a position inside a wall.
        ShapeError: Positions or actions are not of shape (num_envs, 2).
        NonFiniteError: A position or an action is NaN or infinite.

    Randomness: each environment has its own generator; `reset(seed=s)` seeds number i with `s + i`, and a
    sequence of seeds gives one to each.

    Source: as `TwoRoom`.

    Example:
        ```python
        from leworld.envs import TwoRoomVector
        from leworld.tasks import ExpertPolicy

        envs, policy = TwoRoomVector(8, autoreset_mode="Disabled"), ExpertPolicy(noise_std=0.0)
        pixels, info = envs.reset(seed=0)
        reached = False
        for _ in range(100):
            pixels, reward, terminated, truncated, info = envs.step(policy(info))
            reached = reached | terminated
        assert pixels.shape == (8, 64, 64, 3) and reached.all()
        ```
    """

    def __init__(
        self,
        num_envs: int = 1,
        doors: Sequence[tuple[float, float]] = DEFAULT_DOORS,
        *,
        image_size: int = 64,
        max_episode_steps: int | None = 100,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        self.arena = TwoRoomArena(doors)
        super().__init__(
            num_envs,
            image_size,
            action_space=gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32),
            blank=np.zeros(2, np.float32),
            max_episode_steps=max_episode_steps,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )
        self._painter = self.arena.painter(self.image_size)

    @plain_numbers
    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode everywhere, or where `options["reset_mask"]` says.

        `options` may set `state` and `goal`, arrays (num_envs, 2).
        """
        return super().reset(seed=seed, options=options)

    def _read_options(self, owner: str, options: dict[str, Any] | None) -> dict[str, np.ndarray | None]:
        return read_options(self.arena, owner, options, num_envs=self.num_envs)

    def _begin(self, index: int, state: np.ndarray | None, goal: np.ndarray | None) -> None:
        self._state[index], self._goal[index] = draw_task(self._generators[index], state, goal)

    def _check_actions(self, actions: np.ndarray) -> np.ndarray:
        return read_actions("TwoRoomVector.step", "actions", actions, shape=f"{self.num_envs} 2")

    def _move(self, moving: np.ndarray, actions: np.ndarray) -> None:
        self._state[moving] = move(self.arena.passages, self._state[moving], actions[moving])

    def _reached(self) -> np.ndarray:
        return self.arena.reached(self._state, self._goal)

    def _paint(self, states: np.ndarray) -> np.ndarray:
        return self._painter.paint(states)

    def _paint_with_goals(self) -> np.ndarray:
        return self.arena.painter(RENDER_SIZE).paint(self._state, self._goal)
