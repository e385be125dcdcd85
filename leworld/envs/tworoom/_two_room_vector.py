"""Many TwoRooms at once as one gymnasium vector environment."""

from collections.abc import Sequence
from typing import Any, final

import numpy as np

from ..._autoreset import autoreset_value
from ..._checks import check_choice, check_float_array, check_number, plain_numbers, require
from ...errors import ConfigError
from ._arena import TwoRoomArena
from ._geometry import DEFAULT_DOORS
from ._motion import move
from ._options import RENDER_SIZE, check_render_mode, check_seed, check_started, draw_task, read_options

require("gymnasium", extra="envs", purpose="TwoRoomVector")
import gymnasium  # noqa: E402 -- after the check
from gymnasium.utils import seeding  # noqa: E402
from gymnasium.vector import AutoresetMode, VectorEnv  # noqa: E402
from gymnasium.vector.utils import batch_space  # noqa: E402

Steps = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]


@final
@plain_numbers
class TwoRoomVector(VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
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
        check_number("TwoRoomVector", "num_envs", num_envs, low=1, integer=True)
        check_number("TwoRoomVector", "image_size", image_size, low=1, integer=True)
        if max_episode_steps is not None:
            check_number("TwoRoomVector", "max_episode_steps", max_episode_steps, low=1, integer=True)
        if isinstance(autoreset_mode, str):
            autoreset_mode = autoreset_value(autoreset_mode)
        if not isinstance(autoreset_mode, AutoresetMode):
            modes = [mode.value for mode in AutoresetMode]
            check_choice("TwoRoomVector", "autoreset_mode", autoreset_mode, modes)
        check_render_mode("TwoRoomVector", render_mode)
        self.num_envs = int(num_envs)
        self.arena = TwoRoomArena(doors)
        self.image_size = int(image_size)
        self.max_episode_steps = max_episode_steps
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.render_mode = render_mode
        self.metadata = {
            "render_modes": ["rgb_array"],
            "render_fps": 10,
            "autoreset_mode": self.autoreset_mode,
        }
        frame = (self.image_size, self.image_size, 3)
        self.single_action_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.single_observation_space = gymnasium.spaces.Box(0, 255, frame, np.uint8)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self._painter = self.arena.painter(self.image_size)
        self._generators = [seeding.np_random()[0] for _ in range(self.num_envs)]
        self._state = np.zeros((self.num_envs, 2), np.float32)
        self._goal = np.zeros((self.num_envs, 2), np.float32)
        self._goal_pixels = np.zeros((self.num_envs, *frame), np.uint8)
        self._steps = np.zeros(self.num_envs, np.int64)
        self._over = np.zeros(self.num_envs, np.bool_)
        self._started = False

    @plain_numbers
    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode everywhere, or where `options["reset_mask"]` says.

        `options` may set `state` and `goal`, arrays (num_envs, 2).
        """
        owner = "TwoRoomVector.reset"
        given = read_options(self.arena, owner, options, num_envs=self.num_envs)
        mask = given["reset_mask"]
        chosen = np.ones(self.num_envs, np.bool_) if mask is None else mask
        if not self._started and not chosen.all():
            raise ConfigError(
                f"{owner} needs to reset every environment the first time",
                f"`options['reset_mask']` leaves out {int((~chosen).sum())} of {self.num_envs}",
                "Call `reset()` without a mask first",
            )
        seeds = self._seeds(seed)
        fresh = {i: seeding.np_random(seeds[i])[0] for i in np.flatnonzero(chosen) if seeds[i] is not None}
        for index, generator in fresh.items():  # all of them, or none if a seed is refused
            self._generators[index] = generator
        self._draw(chosen, given["state"], given["goal"])
        self._started = True
        return self._painter.paint(self._state), self._info()

    def step(self, actions: np.ndarray) -> Steps:
        """Move every environment once, then or before that reset finished ones as `autoreset_mode` says."""
        shape = f"{self.num_envs} 2"
        checked = check_float_array("TwoRoomVector.step", "actions", actions, shape=shape).astype(np.float32)
        check_started("TwoRoomVector.step", self._started)
        renewed = self._over & (self.autoreset_mode is AutoresetMode.NEXT_STEP)
        self._state = np.where(renewed[:, None], self._state, move(self.arena.passages, self._state, checked))
        self._steps += 1
        terminated = self.arena.reached(self._state, self._goal) & ~renewed
        truncated = ~renewed & (self._steps >= (self.max_episode_steps or np.inf))
        reward = terminated.astype(np.float64)
        final: dict[str, Any] = {}
        self._over = terminated | truncated
        if self.autoreset_mode is AutoresetMode.SAME_STEP and self._over.any():
            final = self._final(self._over)
            renewed = self._over.copy()
        if renewed.any():
            self._draw(renewed, None, None)
        return self._painter.paint(self._state), reward, terminated, truncated, self._info() | final

    def render(self) -> tuple[np.ndarray, ...] | None:
        """Return a 224 x 224 picture of each environment with its goal, or None without a render mode."""
        if self.render_mode is None:
            return None
        check_started("TwoRoomVector.render", self._started)
        return tuple(self.arena.painter(RENDER_SIZE).paint(self._state, self._goal))

    def _draw(self, chosen: np.ndarray, state: np.ndarray | None, goal: np.ndarray | None) -> None:
        for index in np.flatnonzero(chosen):
            self._state[index], self._goal[index] = draw_task(
                self._generators[index],
                None if state is None else state[index],
                None if goal is None else goal[index],
            )
        self._goal_pixels[chosen] = self._painter.paint(self._goal[chosen])
        self._steps[chosen] = 0
        self._over[chosen] = False

    def _seeds(self, seed: int | Sequence[int | None] | None) -> list[int | None]:
        if not isinstance(seed, Sequence | np.ndarray) or isinstance(seed, str):
            check_seed("TwoRoomVector.reset", seed)
            super().reset(seed=None if seed is None else int(seed))
            return [None if seed is None else int(seed) + i for i in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise ConfigError(
                "TwoRoomVector.reset needs one seed for each environment",
                f"`seed` has {len(seed)} for {self.num_envs} environments",
                "Pass one integer for all, or a list of that length",
            )
        for one in seed:
            check_seed("TwoRoomVector.reset", one)
        return [None if one is None else int(one) for one in seed]

    def _info(self) -> dict[str, Any]:
        info = {
            "state": self._state.copy(),
            "goal": self._goal.copy(),
            "goal_pixels": self._goal_pixels.copy(),
        }
        # gymnasium's convention: `_key` says for which environments `key` is valid.
        return info | {f"_{key}": np.ones(self.num_envs, np.bool_) for key in info}

    def _final(self, over: np.ndarray) -> dict[str, Any]:
        pictures = np.full(self.num_envs, None, dtype=object)
        for index, picture in zip(np.flatnonzero(over), self._painter.paint(self._state[over]), strict=True):
            pictures[index] = picture
        last = {key: value for key, value in self._info().items() if not key.startswith("_")}
        last |= {f"_{key}": over.copy() for key in last}
        return {
            "final_obs": pictures,
            "_final_obs": over.copy(),
            "final_info": last,
            "_final_info": over.copy(),
        }
