"""Copies of one environment, stepped one after the other: set to goals, or to gather episodes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._checks import check_number, describe, plain_numbers
from ...errors import ConfigError, NonFiniteError, ShapeError
from .._actions import Choices, checked_actions
from ._area_mean import area_mean

if TYPE_CHECKING:
    from ._task import EnvironmentTask

Steps = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]


class Copies:
    """Some environments of a task with their states, pictures and ends, as they are now.

    Pictures stay black where they are `blind`, which saves the time of drawing them.
    """

    def __init__(
        self, task: "EnvironmentTask", num_envs: int, image_size: int, *, blind: bool = False
    ) -> None:
        owner = f"{task.name}.make"
        check_number(owner, "num_envs", num_envs, low=1, integer=True)
        check_number(owner, "image_size", image_size, low=1, integer=True)
        self.task = task
        self.size, self.blind = int(image_size), blind
        self.envs = [task.make_one(index) for index in range(int(num_envs))]
        if len({id(getattr(env, "unwrapped", env)) for env in self.envs}) < len(self.envs):
            raise ConfigError(
                f"{task.name} needs an environment of its own for each copy",
                "the function that makes them returned one and the same twice",
                "Make a new environment in every call",
            )
        count = len(self.envs)
        self.states = np.zeros((count, 0), np.float32)
        self.pixels = np.zeros((count, self.size, self.size, 3), np.uint8)
        self.reward = np.zeros(count)
        self.terminated, self.truncated = np.zeros((2, count), np.bool_)

    def start(self, index: int, seed: int | None) -> np.ndarray:
        """Start an episode of a copy, where its seed says, and return its state."""
        self.envs[index].reset(seed=seed)
        self.reward[index], self.terminated[index], self.truncated[index] = 0.0, False, False
        return read_state(self.task, self.envs[index])

    def place(self, index: int, state: np.ndarray) -> None:
        """Put a copy into a state."""
        self.task.access.set(self.envs[index], np.array(state, np.float64))

    def aim(self, index: int, goal: np.ndarray) -> None:
        """Tell a copy its goal, if it has one of its own by which it rewards and ends episodes."""
        if self.task.access.aim is not None:
            self.task.access.aim(self.envs[index], np.array(goal, np.float64))

    def look(self, index: int) -> None:
        """Take down the state and the picture of a copy."""
        state = read_state(self.task, self.envs[index])
        if self.states.shape[1] != state.size:
            self.states = np.zeros((len(self.envs), state.size), np.float32)
        self.states[index] = state
        if not self.blind:
            self.pixels[index] = picture(self.task, self.envs[index], self.size)

    def hints(self) -> dict[str, np.ndarray]:
        """Return what the collecting policy alone is told, by name."""
        told = [self.task.hint(env) for env in self.envs]
        return {name: np.stack([one[name] for one in told]) for name in told[0]}

    def move(self, index: int, action: np.ndarray) -> None:
        """Let a copy act once; one that has ended stays where it is."""
        if self.terminated[index] or self.truncated[index]:
            return
        _, reward, terminated, truncated, _ = self.envs[index].step(self.task.native_action(action))
        self.reward[index], self.terminated[index], self.truncated[index] = reward, terminated, truncated
        self.look(index)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Put every copy back where it was if what is done with them fails, so that it can be done again."""
        before = [np.array(table) for table in (self.states, self.pixels, self.reward)]
        ends, exact = (
            (self.terminated.copy(), self.truncated.copy()),
            [
                None if over else read_state(self.task, env)
                for env, over in zip(self.envs, self.terminated | self.truncated, strict=True)
            ],
        )
        try:
            yield
        except BaseException:
            self.states, self.pixels, self.reward = before
            self.terminated, self.truncated = ends
            for index, state in enumerate(exact):
                if state is not None:
                    self.place(index, state)
            raise

    def close(self) -> None:
        """Close all environments."""
        for env in self.envs:
            if hasattr(env, "close"):
                env.close()


class GoalCopies:
    """Copies with a goal each, as `goal_reaching` takes them: nothing is reset by itself."""

    def __init__(self, copies: Copies) -> None:
        self.copies = copies
        self.num_envs = len(copies.envs)
        self.metadata = _metadata(copies, "Disabled")
        if copies.task.action_choices is not None:
            self.single_action_space = Choices(copies.task.action_choices)
        self._goal = np.zeros((self.num_envs, 0), np.float32)
        self._goal_pixels = np.zeros_like(copies.pixels)

    @plain_numbers
    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode everywhere; `options` may set `state` and `goal`, else they are drawn.

        The picture of a goal is taken of the same copy, which is set to it and then to its start.
        """
        copies, given = self.copies, dict(options or {})
        states, goals = (self._read(given, key) for key in ("state", "goal"))
        drawn = []
        for index in range(self.num_envs):
            start = copies.start(index, _own(seed, index))
            goal = copies.start(index, None) if goals is None else goals[index]
            copies.place(index, goal)
            copies.look(index)
            self._goal_pixels[index] = copies.pixels[index]
            copies.aim(index, goal)
            copies.place(index, start if states is None else states[index])
            copies.look(index)
            drawn.append(goal)
        self._goal = np.array(drawn, np.float32)
        return copies.pixels.copy(), self._info()

    def step(self, actions: np.ndarray, /) -> Steps:
        """Move every copy by one action: (env, action), clipped to the limits, or choices (env,)."""
        copies = self.copies
        check_started(copies)
        moves = checked_actions(copies.task, actions, self.num_envs)
        with copies.kept():
            for index in range(self.num_envs):
                copies.move(index, moves[index])
        ends = copies.terminated.copy(), copies.truncated.copy()
        return copies.pixels.copy(), copies.reward.copy(), *ends, self._info()

    def close(self) -> None:
        """Close all environments."""
        self.copies.close()

    def _read(self, given: dict[str, Any], key: str) -> np.ndarray | None:
        if given.get(key) is None:
            return None
        states = np.array(given[key], dtype=np.float64)
        if states.ndim != 2 or len(states) != self.num_envs or not np.isfinite(states).all():
            raise ShapeError(
                f"{self.copies.task.name} needs `{key}` as finite states with the axes "
                f"(env={self.num_envs}, state)",
                f"it is {describe(given[key])}",
                "Pass one row for each copy in `options`",
            )
        return states

    def _info(self) -> dict[str, Any]:
        goal = {"goal": self._goal.copy(), "goal_pixels": self._goal_pixels.copy()}
        return {"state": self.copies.states.copy()} | goal


class Episodic:
    """Copies whose episodes end after `steps` actions, or where the environment ends them.

    In gymnasium's words a vector environment with the autoreset mode `NextStep`, as `collect` reads it.
    """

    def __init__(self, copies: Copies, steps: int) -> None:
        self.copies = copies
        self.num_envs = len(copies.envs)
        self.metadata = _metadata(copies, "NextStep")
        if copies.task.action_choices is not None:
            self.single_action_space = Choices(copies.task.action_choices)
        self._steps = steps
        self._taken = np.zeros(self.num_envs, np.int64)

    @plain_numbers
    def reset(self, *, seed: int | None = None) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode in every copy."""
        for index in range(self.num_envs):
            self._begin(index, _own(seed, index))
        return self.copies.pixels.copy(), self._info()

    def step(self, actions: np.ndarray) -> Steps:
        """Act once where an episode is under way, and start a new one where the last has ended."""
        copies = self.copies
        over = copies.terminated | copies.truncated
        moves = checked_actions(copies.task, actions, self.num_envs)
        for index in range(self.num_envs):
            if over[index]:
                self._begin(index, None)
            else:
                copies.move(index, moves[index])
                self._taken[index] += 1
                copies.truncated[index] |= self._taken[index] >= self._steps and not copies.terminated[index]
        ends = copies.terminated.copy(), copies.truncated.copy()
        return copies.pixels.copy(), copies.reward.copy(), *ends, self._info()

    def _info(self) -> dict[str, Any]:
        return {"state": self.copies.states.copy()} | self.copies.hints()

    def _begin(self, index: int, seed: int | None) -> None:
        self.copies.start(index, seed)
        self.copies.look(index)
        self._taken[index] = 0


def _own(seed: int | None, index: int) -> int | None:
    """Return the seed of one copy."""
    return None if seed is None else (int(seed) + index) % 2**31


def read_state(task: "EnvironmentTask", env: Any) -> np.ndarray:
    """Return the state of an environment, a float64 vector."""
    state = np.array(task.access.get(env), np.float64)
    if state.ndim != 1 or state.size == 0:
        raise ShapeError(
            f"{task.name} needs `get_state` to return a vector of numbers",
            f"it returned {describe(task.access.get(env))}",
            "Put all of the state into one vector, for example with np.concatenate",
        )
    if not np.isfinite(state).all():
        raise NonFiniteError(
            f"{task.name} needs an environment with finite states",
            f"{int((~np.isfinite(state)).sum())} of {state.size} components are NaN or infinite",
            "Look into the environment's dynamics",
        )
    return state


def picture(task: "EnvironmentTask", env: Any, size: int) -> np.ndarray:
    """Return the picture of an environment, resized."""
    task.access.clear(env)
    shown = env.render()
    if not isinstance(shown, np.ndarray) or shown.dtype != np.uint8 or shown.shape[2:] != (3,):
        raise ConfigError(
            f"{task.name} needs an environment whose `render()` returns a uint8 picture (height, width, 3)",
            f"it returned {describe(shown)}",
            'Make it with `render_mode="rgb_array"`',
        )
    return area_mean(shown, size)


def check_started(copies: Copies) -> None:
    """Raise unless `reset` was called."""
    if not copies.states.size:
        name = copies.task.name
        raise ConfigError(
            f"{name} needs a started episode", "`reset` was never called", "Call `reset()` first"
        )


def _metadata(copies: Copies, mode: str) -> dict[str, Any]:
    fps = (getattr(copies.envs[0], "metadata", None) or {}).get("render_fps")
    return {"autoreset_mode": mode} | ({} if fps is None else {"render_fps": fps})
