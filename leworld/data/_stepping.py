"""One way to step a single or a vectorised environment, whichever way it starts new episodes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._checks import describe
from ..errors import ConfigError, DataError


@dataclass(frozen=True)
class Moment:
    """What an environment shows after a reset or a step, its copies along the first axis.

    `ended` marks copies whose episode ended in this step, `is_first` those that show the first frame of an
    episode and ignored their action. `final` holds the last frames and infos of ended episodes when the
    environment has already started new ones.
    """

    pixels: Any
    info: Mapping[str, Any]
    batched: bool
    ended: np.ndarray
    is_first: np.ndarray
    final: "Moment | None" = None

    def frame(self, copy: int) -> np.ndarray:
        """Return the frame of one copy after checking it."""
        frame = self.pixels
        if isinstance(frame, Mapping):
            frame = frame.get("pixels")
        if self.batched and frame is not None:
            frame = frame[copy]
        if isinstance(frame, Mapping):
            frame = frame.get("pixels")
        if (
            not isinstance(frame, np.ndarray)
            or frame.dtype != np.uint8
            or frame.ndim != 3
            or frame.shape[2] != 3
        ):
            raise DataError(
                "collect needs an environment whose observation is a uint8 image (height, width, 3)",
                f"the observation is {describe(frame)}",
                "Wrap it, for example with gymnasium.wrappers.AddRenderObservation",
            )
        return frame

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
        self.environment_id = _environment_id(env)

    def reset(self, seed: int | None) -> Moment:
        pixels, info = self.env.reset(seed=seed)
        return Moment(pixels, info, False, np.array([False]), np.array([True]))

    def step(self, actions: np.ndarray) -> Moment:
        pixels, _, terminated, truncated, info = self.env.step(actions[0])
        ended = np.array([bool(terminated or truncated)])
        now = Moment(pixels, info, False, ended, np.array([False]))
        if not ended[0]:
            return now
        start = self.reset(None)
        return Moment(start.pixels, start.info, False, ended, np.array([False]), final=now)


class _VectorStepper:
    """A `gymnasium.vector.VectorEnv` in one of the two modes in which it resets its copies itself."""

    is_vector = True

    def __init__(self, env: Any, same_step: bool) -> None:
        self.env = env
        self.same_step = same_step
        self.num_copies = int(env.num_envs)
        self.environment_id = _environment_id(env)
        self._resets_next = np.zeros(self.num_copies, bool)

    def reset(self, seed: int | None) -> Moment:
        pixels, info = self.env.reset(seed=seed)
        self._resets_next = np.zeros(self.num_copies, bool)
        return Moment(pixels, info, True, self._resets_next, np.ones(self.num_copies, bool))

    def step(self, actions: np.ndarray) -> Moment:
        pixels, _, terminated, truncated, info = self.env.step(actions)
        ended = np.logical_or(terminated, truncated)
        is_first = self._resets_next
        if not self.same_step:
            self._resets_next = ended
            return Moment(pixels, info, True, ended, is_first)
        final = None
        if ended.any():
            missing = [key for key in ("final_obs", "final_info") if key not in info]
            if missing:
                raise DataError(
                    "collect needs a same-step vector environment to report `final_obs` and `final_info`",
                    f"an episode ended and `{missing[0]}` is missing from its info",
                    "Use a next-step vector environment, or report both as gymnasium does",
                )
            final = Moment(info["final_obs"], info["final_info"], True, ended, is_first)
        return Moment(pixels, info, True, ended, is_first, final=final)


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
    mode = (getattr(env, "metadata", None) or {}).get("autoreset_mode")
    value = getattr(mode, "value", mode)
    if value not in ("NextStep", "SameStep"):
        raise ConfigError(
            "collect needs a vector environment that resets its copies in the same or in the next step",
            f'`env.metadata["autoreset_mode"]` is {mode!r}',
            "Build it with autoreset_mode=gymnasium.vector.AutoresetMode.NEXT_STEP",
        )
    return _VectorStepper(env, same_step=value == "SameStep")


def _environment_id(env: Any) -> str | None:
    spec = getattr(env, "spec", None)
    return None if spec is None else str(spec.id)
