"""A task of any gymnasium environment that renders and can be set to a state."""

import re
from collections.abc import Callable
from typing import Any, final

import numpy as np

from ..._checks import check_number, describe, plain_numbers, require
from ...errors import ConfigError
from ...evaluation import StateRadius, Success
from .._task import CollectingPolicy, Task
from ._copies import picture
from ._makers import find_makers
from ._state_access import GetState, SetState, find_access, given_access
from ._task import EnvironmentTask
from ._world import check_access

_OWNER = "from_gymnasium"
_PROBE_SIZE = 8


@plain_numbers
def from_gymnasium(
    environment: Any,
    success: float | Success,
    *,
    get_state: GetState | None = None,
    set_state: SetState | None = None,
    collecting_policy: Callable[[], CollectingPolicy] | None = None,
    name: str | None = None,
    image_size: int = 64,
    frameskip: int | None = None,
    episode_steps: int = 60,
    oracle: bool = False,
) -> Task:
    """Make a task of a gymnasium environment that renders and can be set to a state.

    Reach for it to train, plan and measure in an environment that exists already; `leworld plan`, `train`,
    `probe` and `report` take the result by `--task FILE.py:NAME`. A goal is a state, shown as the picture
    that the environment draws when it is set to it. What has no option here is an attribute of the task that
    may be set afterwards, for example `task.protocols = ("trajectory-10",)` and `task.budget = 20`.

    Every copy is an environment of its own that is made anew. `gymnasium.wrappers.TimeLimit` and `Autoreset`
    are left out of it, and of a vector environment only the way in which its copies are made is used, so that
    no episode ends or starts anew by itself, whatever its autoreset mode. An episode that the environment
    itself ends stays in its last state for the rest of a goal's budget; in collected data it ends there.

    Args:
        environment: An id such as "Pendulum-v1", or "stable_worldmodel.envs:swm/PushT-v1" with the module
            that registers it, a function (or class) that makes one environment with
            `render_mode="rgb_array"`, an environment or vector environment of `gymnasium.make` or `make_vec`,
            of which copies are made, or a list of these, taken in turn.
        success: Distance of states that counts as reached, Euclidean over all components; or a rule, for
            example `StateRadius(0.1, components=(0,), angles=(0,))`.
        get_state: Function of a single environment that returns its state as a vector of numbers. None finds
            the `state` of gymnasium's classic control and of stable-worldmodel's environments, and positions
            and velocities of gymnasium's MuJoCo ones.
        set_state: Function `(env, state)` that puts a single environment into a state, a float64 vector.
        collecting_policy: Function that makes the policy that gathers episodes; smooth random actions when
            None. What it never does, a model cannot learn.
        name: Name of the task; that of the id without its version when None.
        image_size: Side of a picture in pixels. Pictures are resized by the mean of areas, and stretched
            where they are not square.
        frameskip: Raw actions in a block of the recipe's model; None for 5, and 1 where actions are choices.
        episode_steps: Actions in a collected episode that the environment does not end before.
        oracle: Whether to play a planner on the true dynamics beside a model. It steps a copy for each
            candidate, 225,000 steps a plan and goal with CEM's usual settings, so it is off by default.

    Returns:
        The task. Its `world` moves and draws states by a copy of its own, one after the other.

    Raises:
        MissingExtraError: gymnasium is not installed.
        ConfigError: Nothing that makes environments, no picture, actions that are neither a bounded `Box` nor
            `Discrete`, a state that is not found or cannot be set, or an option out of its range.
        ShapeError: A state that is no vector.

    Randomness: copy i of a reset with seed s is reset with s + i. `world` and the oracle hold where `step`
        draws no random numbers.

    Example:
        ```python
        import gymnasium
        import numpy as np
        from leworld.tasks import from_gymnasium

        class Slider(gymnasium.Env):  # any environment of gymnasium's will do
            observation_space = action_space = gymnasium.spaces.Box(-1, 1, (1,))
            render_mode = "rgb_array"

            def reset(self, *, seed=None, options=None):
                super().reset(seed=seed)
                self.state = self.np_random.uniform(-1, 1, 1)
                return self.state, {}

            def step(self, action):
                self.state = np.clip(self.state + 0.1 * action, -1, 1)
                return self.state, 0.0, False, False, {}

            def render(self):
                return np.full((40, 60, 3), 100 * (1 + self.state[0]), np.uint8)

        task = from_gymnasium(Slider, 0.1, image_size=16)
        pixels, info = task.make(4).reset(seed=0)
        assert pixels.shape == info["goal_pixels"].shape == (4, 16, 16, 3) and task.name == "slider"
        ```
    """
    require("gymnasium", extra="envs", purpose=_OWNER)
    check_number(_OWNER, "image_size", image_size, low=1, integer=True)
    check_number(_OWNER, "episode_steps", episode_steps, low=1, integer=True)
    if frameskip is not None:
        check_number(_OWNER, "frameskip", frameskip, low=1, integer=True)
    rule = success if isinstance(success, Success) else StateRadius(success)
    if (get_state is None) != (set_state is None):
        raise ConfigError(
            f"{_OWNER} needs both `get_state` and `set_state`, or neither",
            f"only `{'set_state' if get_state is None else 'get_state'}` was given",
            "Pass the other one as well",
        )
    functions = {"get_state": get_state, "set_state": set_state, "collecting_policy": collecting_policy}
    for option, function in functions.items():
        if function is not None and not callable(function):
            raise ConfigError(
                f"{_OWNER} needs `{option}` to be a function",
                f"it is {describe(function)}",
                "Pass for example `lambda: SmoothPolicy(2)` for a policy, or None for what leworld finds",
            )
    task = _GymnasiumTask(environment, rule)
    task.image_size, task.episode_steps, task.has_oracle = image_size, episode_steps, bool(oracle)
    task.frameskip = (5 if task.action_choices is None else 1) if frameskip is None else frameskip
    task.policy = collecting_policy
    task.name = task.name if name is None else name
    env = task.first
    access = (
        find_access(env) if get_state is None or set_state is None else given_access(get_state, set_state)
    )
    if access is None:
        raise ConfigError(
            f"{_OWNER} needs to know how the state of {type(env.unwrapped).__name__} is read and set",
            "it has neither a vector `state` nor MuJoCo's `set_state`, `data.qpos` and `data.qvel`",
            "Pass `get_state` and `set_state`, functions of one environment",
        )
    task.access = access
    check_access(task, env)
    picture(task, env, _PROBE_SIZE)
    return task


@final
class _GymnasiumTask(EnvironmentTask):
    """What `from_gymnasium` returns."""

    def __init__(self, environment: Any, success: Success) -> None:
        self._makers = find_makers(environment)
        self.success, self.success_words = success, success.success_words
        self.distance_unit = success.distance_unit
        self.policy: Callable[[], CollectingPolicy] | None = None
        spec = getattr(self.first, "spec", None)
        known = type(self.first.unwrapped).__name__ if spec is None else str(spec.id)
        self.environment_id = known
        self.name = re.sub(r"-v\d+$", "", known).rpartition("/")[2].lower()
        self._take_actions(self.first.action_space)

    def make_one(self, index: int) -> Any:
        """Make copy number `index`."""
        return self._makers[index % len(self._makers)]()

    def native_action(self, action: np.ndarray) -> Any:
        """Return an action of the space's shape and dtype, or the number that it gives a choice."""
        if self.action_choices is not None:
            return int(action) + self._first_choice
        return np.asarray(action, self._dtype).reshape(self._shape)

    def collecting_policy(self) -> CollectingPolicy:
        """The user's policy, or smooth random actions."""
        return super().collecting_policy() if self.policy is None else self.policy()

    def _take_actions(self, space: Any) -> None:
        spaces = require("gymnasium.spaces", extra="envs", purpose=_OWNER)
        self._first_choice, self._shape, self._dtype = 0, (), np.float32
        if isinstance(space, spaces.Discrete) and space.n >= 2:
            self.action_choices = self.action_dim = int(space.n)
            self._first_choice = int(space.start)
            return
        box = isinstance(space, spaces.Box) and space.dtype.kind == "f" and int(np.prod(space.shape)) > 0
        if not box or not np.isfinite([space.low, space.high]).all():
            raise ConfigError(
                f"{_OWNER} needs actions that are a `Box` of floats with finite limits, or `Discrete`",
                f"the action space is {describe(space)}",
                "Wrap the environment, for example with gymnasium.wrappers.RescaleAction or ClipAction",
            )
        self.action_dim, self._shape, self._dtype = int(np.prod(space.shape)), space.shape, space.dtype
        self.action_limits = (space.low.ravel().tolist(), space.high.ravel().tolist())
