"""How the state of an environment is read and set."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

GetState: TypeAlias = Callable[[Any], Any]
SetState: TypeAlias = Callable[[Any, np.ndarray], object]


@dataclass(frozen=True)
class StateAccess:
    """`get(env)` returns the state as a vector, `set(env, state)` puts the environment into one.

    `clear(env)` removes what a picture would show beside the state, such as the last action. `aim(env, goal)`
    tells an environment that has a goal of its own what it is.
    """

    get: GetState
    set: SetState
    clear: Callable[[Any], object]
    aim: SetState | None = None


def find_access(env: Any) -> StateAccess | None:
    """Return how the state of a started environment is reached where it is one of the usual ways, else None.

    These are gymnasium's classic control, which keeps the state as a vector `state`, its MuJoCo environments,
    whose `set_state(qpos, qvel)` takes what `data` holds, and those of stable-worldmodel, which have
    `_set_state` and `_set_goal_state` and tell the state in what they sense.
    """
    inner = getattr(env, "unwrapped", env)
    if all(callable(getattr(inner, name, None)) for name in ("_set_state", "_set_goal_state", "_get_obs")):
        return StateAccess(_get_platform, _set_platform, _clear_nothing, _aim_platform)
    data = getattr(inner, "data", None)
    if callable(getattr(inner, "set_state", None)) and hasattr(data, "qpos") and hasattr(data, "qvel"):
        return StateAccess(_get_mujoco, _set_mujoco, _clear_nothing)
    state = getattr(inner, "state", None)
    if isinstance(state, np.ndarray | tuple | list) and np.ndim(np.asarray(state)) == 1:
        return StateAccess(_get_classic, _set_classic, _clear_classic)
    return None


def given_access(get: GetState, set_: SetState) -> StateAccess:
    """Return the access through functions of the user's own."""
    return StateAccess(get, set_, _clear_nothing)


def _get_mujoco(env: Any) -> np.ndarray:
    data = env.unwrapped.data
    return np.concatenate([np.ravel(data.qpos), np.ravel(data.qvel)])


def _set_mujoco(env: Any, state: np.ndarray) -> None:
    inner = env.unwrapped
    positions = np.size(inner.data.qpos)
    inner.set_state(state[:positions], state[positions:])


def _get_classic(env: Any) -> np.ndarray:
    return np.asarray(env.unwrapped.state)


def _set_classic(env: Any, state: np.ndarray) -> None:
    inner = env.unwrapped
    inner.state = np.array(state, dtype=getattr(inner.state, "dtype", np.float64))
    if hasattr(inner, "steps_beyond_terminated"):
        inner.steps_beyond_terminated = None


def _clear_classic(env: Any) -> None:
    if hasattr(env.unwrapped, "last_u"):  # the pendulum draws its last torque
        env.unwrapped.last_u = None


def _clear_nothing(env: Any) -> None:
    pass


def _get_platform(env: Any) -> np.ndarray:
    inner = env.unwrapped
    told = inner._get_info() if callable(getattr(inner, "_get_info", None)) else {}
    sensed = inner._get_obs()
    if isinstance(told, Mapping) and "state" in told:
        return np.asarray(told["state"])
    return np.asarray(sensed["state"] if isinstance(sensed, Mapping) else sensed)


def _set_platform(env: Any, state: np.ndarray) -> None:
    env.unwrapped._set_state(np.array(state))


def _aim_platform(env: Any, state: np.ndarray) -> None:
    env.unwrapped._set_goal_state(np.array(state))
