"""Mistakes with environments of gymnasium, and the errors that they must earn."""

from typing import Any

import gymnasium
import numpy as np

from leworld.errors import ConfigError, LeWorldError, NonFiniteError, ShapeError
from leworld.tasks import from_gymnasium
from tests.bad_input import BadInput
from tests.tasks.gymnasium_worlds import Bodies, Hidden, Slider, Stepper

_ONE = Slider()


def _row(case: str, *mentions: str, error: type[LeWorldError] = ConfigError, **options: Any) -> BadInput:
    given = {"environment": Slider, "success": 0.05} | options
    return BadInput("leworld.tasks.from_gymnasium", case, lambda: from_gymnasium(**given), error, mentions)


def _made(case: str, call: Any, *mentions: str, error: type[LeWorldError] = ShapeError) -> BadInput:
    def run() -> object:
        task = from_gymnasium(Stepper if "choice" in case else Slider, 0.05, image_size=8)
        return call(task.make(2))

    return BadInput("leworld.tasks.from_gymnasium", case, run, error, mentions)


def _started(call: Any) -> Any:
    def run(env: Any) -> object:
        env.reset(seed=0)
        return call(env)

    return run


class _Unbounded(Slider):
    def __init__(self) -> None:
        super().__init__()
        self.action_space = gymnasium.spaces.Box(-np.inf, np.inf, (1,))


class _Switches(Slider):
    def __init__(self) -> None:
        super().__init__()
        self.action_space = gymnasium.spaces.MultiBinary(3)  # type: ignore[assignment]


class _Lost(Slider):
    def step(self, action: Any):
        self.state = np.full(1, np.nan)
        return self.state, 0.0, False, False, {}


def _lost() -> object:
    env = from_gymnasium(_Lost, 0.05, image_size=8).make(1)
    env.reset(seed=0)
    return env.step(np.zeros((1, 1)))


def _bare(env: Any) -> np.ndarray:
    return env.unwrapped.place


def _keep(env: Any, state: np.ndarray) -> None:
    env.unwrapped.place = state


ROWS = [
    _row("a number", "an id", "it got 3", environment=3),
    _row("no environment", "an id", environment=[]),
    _row("an environment of no known make", "`spec`", "lambda", environment=_ONE),
    BadInput(
        "leworld.tasks.from_gymnasium",
        "the same one twice",
        lambda: from_gymnasium(lambda: _ONE, 0.05).make(2),
        ConfigError,
        ("one and the same",),
    ),
    _row("no picture", "`render()`", 'render_mode="rgb_array"', environment=lambda: Slider(render_mode=None)),
    _row("actions without limits", "`Box`", "RescaleAction", environment=_Unbounded),
    _row("actions of another kind", "`Discrete`", "MultiBinary", environment=_Switches),
    _row("a state that hides", "Hidden", "`get_state`", environment=Hidden),
    _row("one function of two", "both", "only `get_state`", environment=Hidden, get_state=_bare),
    _row("a state that is not set", "`set_state`", environment=Hidden, get_state=_bare, set_state=print),
    _row(
        "a state of two axes",
        "vector",
        error=ShapeError,
        get_state=lambda env: np.zeros((2, 2)),
        set_state=_keep,
    ),
    _row("words for a function", "`set_state`", get_state=_bare, set_state="place"),
    _row("a policy of no kind", "`collecting_policy`", "SmoothPolicy", collecting_policy="smooth"),
    _row("no radius", "radius", success=0.0),
    _row("no pixels", "image_size", image_size=0),
    _row("no frameskip", "frameskip", frameskip=0),
    _row("no steps", "episode_steps", episode_steps=0),
    BadInput("leworld.tasks.from_gymnasium", "a lost state", _lost, NonFiniteError, ("1 of 1",)),
    _made("a step before reset", lambda env: env.step(np.zeros((2, 1))), "`reset()`", error=ConfigError),
    _made("actions of another size", _started(lambda env: env.step(np.zeros((2, 2)))), "(2, 1)"),
    _made("a choice too many", _started(lambda env: env.step(np.array([0, 3]))), "0 to 2"),
    _made("starts of other copies", lambda env: env.reset(options={"state": np.zeros((3, 1))}), "env=2"),
    BadInput(
        "leworld.tasks.from_gymnasium",
        "no copies",
        lambda: from_gymnasium(Bodies, 0.05).make(0),
        ConfigError,
        ("num_envs",),
    ),
]
