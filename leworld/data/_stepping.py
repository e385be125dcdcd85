"""One way to step a single or a vectorised environment, whichever way it starts new episodes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._autoreset import autoreset_mode
from .._checks import describe
from .._lending import copied
from ..errors import ConfigError, DataError


@dataclass(frozen=True)
class Outcome:
    """What a step brought every copy: its reward, and whether and why its episode ended."""

    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray

    @property
    def ended(self) -> np.ndarray:
        """Which copies' episodes ended in this step."""
        return self.terminated | self.truncated


@dataclass(frozen=True)
class Moment:
    """What an environment shows after a reset or a step, its copies along the first axis.

    `outcome` belongs to the step; `is_first` marks copies that show the first frame of an episode and ignored
    their action. `final` holds the last observations and infos of ended episodes when the environment has
    already started new ones.
    """

    observation: Any
    info: Mapping[str, Any]
    batched: bool
    outcome: Outcome
    is_first: np.ndarray
    final: "Moment | None" = None

    def sensed(self, copy: int) -> dict[str, np.ndarray]:
        """Return the parts of one copy's observation: `pixels`, further pictures, and numbers."""
        value = self.observation
        if isinstance(value, Mapping):
            named = {key: part for key, part in value.items() if not str(key).startswith("_")}
            if self.batched:
                named = {key: part[copy] for key, part in named.items() if isinstance(part, np.ndarray)}
        else:
            value = value[copy] if self.batched and value is not None else value
            named = dict(value) if isinstance(value, Mapping) else {_name(value): value}
        if "pixels" in named:
            _check_picture(named["pixels"])
        numbers = {name: array for name, part in named.items() if (array := _numbers(part)) is not None}
        if not numbers:
            _check_picture(value)
        return numbers

    def columns(self, copy: int, names: tuple[str, ...]) -> list[np.ndarray]:
        """Return the named entries of the info of one copy."""
        return [self._column(copy, name) for name in names]

    def _column(self, copy: int, name: str) -> np.ndarray:
        reported = name in self.info
        if reported and self.batched:
            mask = self.info.get(f"_{name}")
            reported = mask is None or bool(mask[copy])
        if not reported:
            raise DataError(
                f"collect needs the environment to report `{name}` in its info at every reset and step",
                f"copy {copy} reported {sorted(key for key in self.info if not key.startswith('_'))}",
                "Choose the entries to keep with `columns=`",
            )
        value = np.asarray(self.info[name][copy] if self.batched else self.info[name])
        if value.dtype.kind not in "biuf":
            raise DataError(
                f"collect needs `{name}` in the info to be numbers",
                f"it is {describe(self.info[name])}",
                "Choose the entries to keep with `columns=`",
            )
        return value


class _SingleStepper:
    """A `gymnasium.Env` as one copy that starts a new episode in the step that ends one."""

    num_copies = 1
    is_vector = False

    def __init__(self, env: Any) -> None:
        self.env = env

    def reset(self, seed: int | None) -> Moment:
        observation, info = self.env.reset(seed=seed)
        return Moment(observation, info, False, _nothing(1), np.array([True]))

    def step(self, actions: np.ndarray) -> Moment:
        observation, reward, terminated, truncated, info = self.env.step(actions[0])
        outcome = _outcome(reward, terminated, truncated, 1)
        if not outcome.ended[0]:
            return Moment(observation, info, False, outcome, np.array([False]))
        # An environment may show its next episode in the same arrays.
        last = Moment(copied(observation), copied(info), False, outcome, np.array([False]))
        start = self.reset(None)
        return Moment(start.observation, start.info, False, outcome, np.array([False]), final=last)


class _VectorStepper:
    """A `gymnasium.vector.VectorEnv` in one of the two modes in which it resets its copies itself."""

    is_vector = True

    def __init__(self, env: Any, same_step: bool) -> None:
        self.env = env
        self.same_step = same_step
        self.num_copies = int(env.num_envs)
        self._resets_next = np.zeros(self.num_copies, bool)

    def reset(self, seed: int | None) -> Moment:
        observation, info = self.env.reset(seed=seed)
        self._resets_next = np.zeros(self.num_copies, bool)
        return Moment(observation, info, True, _nothing(self.num_copies), np.ones(self.num_copies, bool))

    def step(self, actions: np.ndarray) -> Moment:
        observation, reward, terminated, truncated, info = self.env.step(actions)
        outcome = _outcome(reward, terminated, truncated, self.num_copies)
        is_first = self._resets_next
        if not self.same_step:
            self._resets_next = outcome.ended
            return Moment(observation, info, True, outcome, is_first)
        final = None
        if outcome.ended.any():
            missing = [key for key in ("final_obs", "final_info") if key not in info]
            if missing:
                raise DataError(
                    "collect needs a same-step vector environment to report `final_obs` and `final_info`",
                    f"an episode ended and `{missing[0]}` is missing from its info",
                    "Use a next-step vector environment, or report both as gymnasium does",
                )
            final = Moment(info["final_obs"], info["final_info"], True, outcome, is_first)
        return Moment(observation, info, True, outcome, is_first, final=final)


def open_stepper(env: Any) -> _SingleStepper | _VectorStepper:
    """Choose the stepper for `env`, or say why there is none."""
    if not (hasattr(env, "reset") and hasattr(env, "step")):
        raise ConfigError(
            "collect needs `env` to be a gymnasium environment, single or vectorised",
            f"`env` is {describe(env)}",
            "Pass gymnasium.make(...) or gymnasium.make_vec(...)",
        )
    if not hasattr(env, "num_envs"):
        return _SingleStepper(env)
    mode = autoreset_mode(env)
    if mode not in ("NextStep", "SameStep"):
        raise ConfigError(
            "collect needs a vector environment that resets its copies in the same or in the next step",
            f'`env.metadata["autoreset_mode"]` is {mode!r}',
            "Build it with autoreset_mode=gymnasium.vector.AutoresetMode.NEXT_STEP",
        )
    return _VectorStepper(env, same_step=mode == "SameStep")


def environment_id(env: Any) -> str | None:
    """Return the name under which an environment is registered, if it is."""
    spec = getattr(env, "spec", None)
    return None if spec is None else str(spec.id)


def frame_rate(env: Any) -> float | None:
    """Return the frames a second that an environment declares for its pictures, if it does."""
    rate = (getattr(env, "metadata", None) or {}).get("render_fps")
    if not isinstance(rate, int | float | np.integer | np.floating):
        return None
    return float(rate) if math.isfinite(rate) and rate > 0 else None


def discrete_actions(env: Any) -> tuple[int, int] | None:
    """Return the number of choices and the first one's number if the action is a choice, else None."""
    if hasattr(env, "num_envs"):
        space = getattr(env, "single_action_space", None)
        sizes = np.asarray(getattr(getattr(env, "action_space", None), "nvec", ()))
        if space is None and sizes.ndim == 1 and len(set(sizes.tolist())) == 1:
            starts = np.asarray(getattr(env.action_space, "start", 0)).reshape(-1)
            return int(sizes[0]), int(starts[0])
    else:
        space = getattr(env, "action_space", None)
    count = getattr(space, "n", None)
    # A space of several switches has an `n` as well, and a shape.
    if not isinstance(count, int | np.integer) or getattr(space, "shape", ()) != ():
        return None
    return int(count), int(getattr(space, "start", 0))


def _outcome(reward: Any, terminated: Any, truncated: Any, copies: int) -> Outcome:
    try:
        return Outcome(
            *(
                np.broadcast_to(np.array(value, dtype), (copies,))
                for value, dtype in ((reward, np.float32), (terminated, bool), (truncated, bool))
            )
        )
    except (TypeError, ValueError) as error:
        raise DataError(
            "collect needs an environment that returns a reward, and whether the episode terminated or was "
            "truncated, for every copy",
            f"it returned {describe(reward)}, {describe(terminated)} and {describe(truncated)}",
            "Return numbers and booleans as gymnasium does",
        ) from error


def _nothing(copies: int) -> Outcome:
    return Outcome(np.full(copies, np.nan, np.float32), np.zeros(copies, bool), np.zeros(copies, bool))


def _name(value: Any) -> str:
    """Name a bare observation: a vector as other libraries do, anything else as the picture it should be."""
    array = _numbers(value)
    return "observation" if array is not None and array.ndim < 2 else "pixels"


def _numbers(value: Any) -> np.ndarray | None:
    """Return numbers as an array, and None for texts, nested mappings and the like."""
    if not isinstance(value, np.ndarray | np.number | np.bool_ | int | float):
        return None
    array = np.asarray(value)
    return array if array.dtype.kind in "biuf" else None


def _check_picture(frame: Any) -> None:
    if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise DataError(
            "collect needs an environment whose observation is a uint8 image (height, width, 3), a vector or "
            "a dictionary of these",
            f"the observation is {describe(frame)}",
            "Wrap it, for example with gymnasium.wrappers.AddRenderObservation",
        )
