"""A task whose world is told by how states move and look."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float, UInt8

from .._checks import check_number, describe, plain_numbers
from ..errors import ConfigError, ShapeError
from ..evaluation import GoalEnvironment, GoalSteps, StateWorld
from ._actions import Choices, checked_actions
from ._smooth_policy import SmoothPolicy
from ._task import CollectingPolicy, Task

Shown: TypeAlias = np.ndarray | dict[str, np.ndarray]
_CANDIDATES = 32
_NUM_BINS = 6


class StateTask(Task, ABC):
    """A task made of three functions of states: how they start, how they move, how they look.

    The environment, the exact dynamics of the oracle, teleports, and steps toward goals follow from them. Add
    success (`success_radius`, or `reached`, `distance` and `success_words`), and the collecting policy if
    smooth random actions are not enough. Where an agent senses more than one picture, `sense` tells the rest.
    With `action_choices`, `step` sees the choices as one-hot rows, as data hold them.

    Example:
        ```python
        import numpy as np
        from leworld.tasks import StateTask

        class Dot(StateTask):
            name, environment_id, action_dim, success_radius = "dot", "mine/Dot-v0", 1, 0.1

            def draw_states(self, count, generator):
                return generator.uniform(-1, 1, (count, 1))

            def step(self, states, actions):
                return np.clip(states + 0.1 * actions, -1, 1)

            def render(self, states, image_size):
                place = np.linspace(-1, 1, image_size)
                level = 255 * np.exp(-20 * (states[..., None] - place[:, None]) ** 2)
                rows = level.astype(np.uint8)[..., None, :, :].repeat(image_size, axis=-3)
                return rows.repeat(3, axis=-1)

        task = Dot()
        env = task.make(4, 16)
        pixels, info = env.reset(seed=0, options={"state": np.zeros((4, 1)), "goal": np.ones((4, 1))})
        assert pixels.shape == (4, 16, 16, 3) and (info["state"] == 0).all()
        assert len(task.held_out(3)) == 3
        ```
    """

    @abstractmethod
    def draw_states(self, count: int, generator: np.random.Generator) -> Float[np.ndarray, "count state"]:
        """Draw the states in which episodes start."""

    @abstractmethod
    def step(
        self, states: Float[np.ndarray, "*#batch state"], actions: Float[np.ndarray, "*#batch action"], /
    ) -> Float[np.ndarray, "*batch state"]:
        """Return the states after one raw action each; leading axes broadcast."""

    @abstractmethod
    def render(
        self, states: Float[np.ndarray, "*batch state"], image_size: int, /
    ) -> UInt8[np.ndarray, "*batch height width 3"]:
        """Return an RGB picture of each state."""

    def sense(self, states: Float[np.ndarray, "*batch state"], /) -> Mapping[str, np.ndarray]:
        """Return what is sensed beside `pixels`, by name: vectors "*batch dim", or uint8 pictures.

        None unless overridden. The environment then shows mappings with these parts beside `pixels`, tells
        those of the goal as `goal_<part>`, and collected episodes hold them as columns.
        """
        return {}

    @property
    def world(self) -> StateWorld:
        """The task itself."""
        return self

    @plain_numbers
    def make(self, num_envs: int, image_size: int | None = None) -> GoalEnvironment:
        """Make copies of the environment."""
        return _StateEnvironment(self, num_envs, self.image_size if image_size is None else image_size)

    def collecting_policy(self) -> CollectingPolicy:
        """Smooth random actions between the limits, or choices that last for a while."""
        return SmoothPolicy(
            self.action_dim, action_limits=self.action_limits, action_choices=self.action_choices
        )

    @plain_numbers
    def goal_steps(self, num_steps: int = 2000, *, seed: int = 0) -> GoalSteps:
        """Draw starts and goals as episodes start, and step by the best of a few actions.

        Starts that none of them brings nearer are left out. The bins of distance hold equally many steps.
        """
        check_number(f"{type(self).__name__}.goal_steps", "num_steps", num_steps, low=_NUM_BINS, integer=True)
        generator = np.random.default_rng(seed)
        start, goal = (np.array(self.draw_states(num_steps, generator), np.float32) for _ in range(2))
        shape = (num_steps, _CANDIDATES, self.action_dim)
        if self.action_choices is None:
            actions = generator.uniform(*self.action_limits, shape)
        else:
            actions = np.eye(self.action_choices)[generator.integers(self.action_choices, size=shape[:2])]
        ends = np.array(self.step(start[:, None].copy(), actions), dtype=np.float32)
        best = self.distance(ends.copy(), goal[:, None].copy()).argmin(axis=1)
        after, apart = ends[np.arange(num_steps), best], np.array(self.distance(start.copy(), goal.copy()))
        nearer = self.distance(after.copy(), goal.copy()) < apart
        edges = np.quantile(apart[nearer], np.linspace(0, 1, _NUM_BINS + 1))
        edges[-1] = np.nextafter(edges[-1], np.inf)  # the farthest step belongs to the last bin
        return GoalSteps(
            start[nearer],
            after[nearer],
            goal[nearer],
            distance=apart[nearer],
            edges=tuple(edges.tolist()),
        )


class _StateEnvironment:
    """Copies of a state task's world, moved and drawn together; nothing resets by itself."""

    def __init__(self, task: StateTask, num_envs: int, image_size: int) -> None:
        owner = f"{type(task).__name__}.make"
        check_number(owner, "num_envs", num_envs, low=1, integer=True)
        check_number(owner, "image_size", image_size, low=1, integer=True)
        self.task = task
        self.num_envs = int(num_envs)
        self.image_size = int(image_size)
        self.metadata = {"autoreset_mode": "Disabled"}
        if task.action_choices is not None:
            self.single_action_space = Choices(task.action_choices)
        self._generator = np.random.default_rng()
        self._state = self._goal = np.zeros((self.num_envs, 0), np.float32)
        self._goal_parts: dict[str, np.ndarray] = {}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Shown, dict[str, Any]]:
        """Start an episode everywhere; `options` may set `state` and `goal`, else they are drawn."""
        generator = copy.deepcopy(self._generator) if seed is None else np.random.default_rng(seed)
        given = dict(options or {})
        state, goal = (self._read(given, key, generator) for key in ("state", "goal"))
        goal_parts = {f"goal_{name}": part for name, part in self._sensed(goal).items()}
        shown = self._shown(state)
        self._generator, self._state, self._goal, self._goal_parts = generator, state, goal, goal_parts
        return shown, self._info()

    def step(
        self, actions: np.ndarray, /
    ) -> tuple[Shown, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Move every copy by one action: (env, action), clipped to the limits, or choices (env,)."""
        task = self.task
        if not self._state.size:
            raise ConfigError(
                f"{task.name} needs a started episode", "`reset` was never called", "Call `reset()` first"
            )
        moved = np.array(task.step(self._state.copy(), self._moves(actions)), dtype=np.float32)
        if moved.shape != self._state.shape or not np.isfinite(moved).all():
            raise ShapeError(
                f"{task.name} needs `step` to return finite states of shape {self._state.shape}",
                f"it returned {describe(moved)}, {int((~np.isfinite(moved)).sum())} of it NaN or infinite",
                "Return one state for each state that it was given",
            )
        there = np.array(task.reached(moved.copy(), self._goal.copy()))
        never = np.zeros(self.num_envs, np.bool_)
        shown = self._shown(moved)
        self._state = moved
        return shown, there.astype(np.float64), there, never, self._info()

    def _read(self, given: dict[str, Any], key: str, generator: np.random.Generator) -> np.ndarray:
        value = given.get(key)
        if value is None:
            value = self.task.draw_states(self.num_envs, generator)
        states = np.array(value, dtype=np.float32)
        if states.ndim != 2 or len(states) != self.num_envs or not np.isfinite(states).all():
            raise ShapeError(
                f"{self.task.name} needs `{key}` as finite states with the axes (env={self.num_envs}, state)",
                f"it is {describe(states)}",
                "Return that from `draw_states`, and pass that in `options`",
            )
        return states

    def _moves(self, actions: object) -> np.ndarray:
        """Return actions as the task's `step` takes them: clipped, or choices as one-hot rows."""
        checked, count = checked_actions(self.task, actions, self.num_envs), self.task.action_choices
        return checked if count is None else np.eye(count, dtype=np.float32)[checked]

    def _shown(self, state: np.ndarray) -> Shown:
        """Return the picture, or the picture and further parts by name."""
        sensed = self._sensed(state)
        return sensed if len(sensed) > 1 else sensed["pixels"]

    def _sensed(self, states: np.ndarray) -> dict[str, np.ndarray]:
        parts = {"pixels": self._draw(states)}
        sensed = self.task.sense(states.copy())
        if not isinstance(sensed, Mapping):
            raise ConfigError(
                f"{self.task.name} needs `sense` to return a mapping from names to parts",
                f"it returned {describe(sensed)}",
                'Return for example {"touch": vectors}',
            )
        for name, value in sensed.items():
            part = np.array(value)
            picture = part.ndim == 4 and part.dtype == np.uint8
            fits = (picture or (part.ndim == 2 and part.dtype.kind in "biuf")) and len(part) == self.num_envs
            if not fits or name in ("pixels", "state", "goal"):
                raise ShapeError(
                    f"{self.task.name} needs `sense` to return vectors (env={self.num_envs}, dim) or uint8 "
                    "pictures, with names other than `pixels`, `state` and `goal`",
                    f"`{name}` is {describe(part)}",
                    "Return one row for each state",
                )
            parts[name] = part
        return parts

    def _draw(self, states: np.ndarray) -> np.ndarray:
        pictures = np.array(self.task.render(states.copy(), self.image_size))
        due = (self.num_envs, self.image_size, self.image_size, 3)
        if pictures.dtype != np.uint8 or pictures.shape != due:
            raise ShapeError(
                f"{self.task.name} needs `render` to return uint8 pictures of shape {due}",
                f"it returned {describe(pictures)}",
                "Draw one RGB picture for each state",
            )
        return pictures

    def _info(self) -> dict[str, Any]:
        return {
            "state": self._state.copy(),
            "goal": self._goal.copy(),
            **{name: part.copy() for name, part in self._goal_parts.items()},
        }
