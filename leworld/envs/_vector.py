"""What the vectorised environments of every world do alike: seeds, starts, limits, autoreset and info."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._autoreset import autoreset_value
from .._checks import check_choice, check_number, require
from ..errors import ConfigError
from ._options import check_render_mode, check_seed, check_started

require("gymnasium", extra="envs", purpose="A vectorised environment")
import gymnasium  # noqa: E402 -- after the check
from gymnasium.utils import seeding  # noqa: E402
from gymnasium.vector import AutoresetMode, VectorEnv  # noqa: E402
from gymnasium.vector.utils import batch_space  # noqa: E402

Steps = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]


class VectorWorld(VectorEnv[np.ndarray, np.ndarray, np.ndarray], ABC):
    """`num_envs` independent copies of one world, moved and drawn together; a world says how.

    It keeps `state` and `goal` of every copy, one array each.
    """

    def __init__(
        self,
        num_envs: int,
        image_size: int,
        *,
        action_space: gymnasium.Space[Any],
        blank: np.ndarray,
        max_episode_steps: int | None,
        autoreset_mode: AutoresetMode | str,
        render_mode: str | None,
    ) -> None:
        """Check the settings. `blank` is a state of the right shape and dtype."""
        owner = type(self).__name__
        check_number(owner, "num_envs", num_envs, low=1, integer=True)
        check_number(owner, "image_size", image_size, low=1, integer=True)
        if max_episode_steps is not None:
            check_number(owner, "max_episode_steps", max_episode_steps, low=1, integer=True)
        if isinstance(autoreset_mode, str):
            autoreset_mode = autoreset_value(autoreset_mode)
        if not isinstance(autoreset_mode, AutoresetMode):
            check_choice(owner, "autoreset_mode", autoreset_mode, [mode.value for mode in AutoresetMode])
        check_render_mode(owner, render_mode)
        self.num_envs = int(num_envs)
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
        self.single_action_space = action_space
        self.single_observation_space = gymnasium.spaces.Box(0, 255, frame, np.uint8)
        self.action_space = batch_space(action_space, self.num_envs)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self._generators = [seeding.np_random()[0] for _ in range(self.num_envs)]
        self._state = np.repeat(blank[None], self.num_envs, axis=0)
        self._goal = self._state.copy()
        self._goal_pixels = np.zeros((self.num_envs, *frame), np.uint8)
        self._steps = np.zeros(self.num_envs, np.int64)
        self._over = np.zeros(self.num_envs, np.bool_)
        self._started = False

    @abstractmethod
    def _read_options(self, owner: str, options: dict[str, Any] | None) -> dict[str, np.ndarray | None]:
        """Return the checked `state`, `goal` and `reset_mask` of reset's options."""

    @abstractmethod
    def _begin(self, index: int, state: np.ndarray | None, goal: np.ndarray | None) -> None:
        """Put one copy at a start and give it a goal, drawn with its generator where none is given."""

    @abstractmethod
    def _check_actions(self, actions: np.ndarray) -> np.ndarray: ...

    @abstractmethod
    def _move(self, moving: np.ndarray, actions: np.ndarray) -> None:
        """Move the copies at the indices `moving`, each by its row of all `actions`."""

    @abstractmethod
    def _reached(self) -> np.ndarray: ...

    @abstractmethod
    def _paint(self, states: np.ndarray) -> np.ndarray: ...

    @abstractmethod
    def _paint_with_goals(self) -> np.ndarray:
        """Return what `render` shows."""

    def _described(self) -> dict[str, np.ndarray]:
        """Return the entries of info that describe states and goals, besides these themselves."""
        return {}

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode everywhere, or where `options["reset_mask"]` says.

        `options` may set `state` and `goal`, arrays with one row for each environment.
        """
        owner = f"{type(self).__name__}.reset"
        given = self._read_options(owner, options)
        mask = given["reset_mask"]
        chosen = np.ones(self.num_envs, np.bool_) if mask is None else mask
        if not self._started and not chosen.all():
            raise ConfigError(
                f"{owner} needs to reset every environment the first time",
                f"`options['reset_mask']` leaves out {int((~chosen).sum())} of {self.num_envs}",
                "Call `reset()` without a mask first",
            )
        seeds = self._seeds(owner, seed)
        fresh = {i: seeding.np_random(seeds[i])[0] for i in np.flatnonzero(chosen) if seeds[i] is not None}
        for index, generator in fresh.items():  # all of them, or none if a seed is refused
            self._generators[index] = generator
        self._begin_all(chosen, given["state"], given["goal"])
        self._started = True
        return self._paint(self._state), self._info()

    def step(self, actions: np.ndarray) -> Steps:
        """Move every environment once, then or before that reset finished ones as `autoreset_mode` says."""
        checked = self._check_actions(actions)
        check_started(f"{type(self).__name__}.step", self._started)
        renewed = self._over & (self.autoreset_mode is AutoresetMode.NEXT_STEP)
        self._move(np.flatnonzero(~renewed), checked)
        self._steps += 1
        terminated = self._reached() & ~renewed
        truncated = ~renewed & (self._steps >= (self.max_episode_steps or np.inf))
        reward = terminated.astype(np.float64)
        final: dict[str, Any] = {}
        self._over = terminated | truncated
        if self.autoreset_mode is AutoresetMode.SAME_STEP and self._over.any():
            final = self._final(self._over)
            renewed = self._over.copy()
        if renewed.any():
            self._begin_all(renewed, None, None)
        return self._paint(self._state), reward, terminated, truncated, self._info() | final

    def render(self) -> tuple[np.ndarray, ...] | None:
        """Return a 224 x 224 picture of each environment with its goal, or None without a render mode."""
        if self.render_mode is None:
            return None
        check_started(f"{type(self).__name__}.render", self._started)
        return tuple(self._paint_with_goals())

    def _begin_all(self, chosen: np.ndarray, state: np.ndarray | None, goal: np.ndarray | None) -> None:
        for index in np.flatnonzero(chosen):
            self._begin(
                int(index), None if state is None else state[index], None if goal is None else goal[index]
            )
        self._goal_pixels[chosen] = self._paint(self._goal[chosen])
        self._steps[chosen] = 0
        self._over[chosen] = False

    def _seeds(self, owner: str, seed: int | Sequence[int | None] | None) -> list[int | None]:
        if not isinstance(seed, Sequence | np.ndarray) or isinstance(seed, str):
            check_seed(owner, seed)
            super().reset(seed=None if seed is None else int(seed))
            return [None if seed is None else int(seed) + i for i in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise ConfigError(
                f"{owner} needs one seed for each environment",
                f"`seed` has {len(seed)} for {self.num_envs} environments",
                "Pass one integer for all, or a list of that length",
            )
        for one in seed:
            check_seed(owner, one)
        return [None if one is None else int(one) for one in seed]

    def _info(self) -> dict[str, Any]:
        info = {
            "state": self._state.copy(),
            "goal": self._goal.copy(),
            "goal_pixels": self._goal_pixels.copy(),
        } | self._described()
        # gymnasium's convention: `_key` says for which environments `key` is valid.
        return info | {f"_{key}": np.ones(self.num_envs, np.bool_) for key in info}

    def _final(self, over: np.ndarray) -> dict[str, Any]:
        pictures = np.full(self.num_envs, None, dtype=object)
        for index, picture in zip(np.flatnonzero(over), self._paint(self._state[over]), strict=True):
            pictures[index] = picture
        last = {key: value for key, value in self._info().items() if not key.startswith("_")}
        last |= {f"_{key}": over.copy() for key in last}
        return {
            "final_obs": pictures,
            "_final_obs": over.copy(),
            "final_info": last,
            "_final_info": over.copy(),
        }
