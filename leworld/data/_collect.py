"""Filling `Episodes` by letting a policy act in an environment."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from .._checks import check_number, describe
from .._random import fold_seed
from ..errors import ConfigError, DataError
from ._episodes import Episodes
from ._recorder import Recorder
from ._stepping import open_stepper

_USUAL_COLUMNS = ("state", "goal", "proprio")


def collect(
    env: Any,
    policy: Any,
    *,
    num_episodes: int,
    seed: int,
    columns: Sequence[str] | None = None,
    environment_id: str | None = None,
    progress: bool = True,
) -> Episodes:
    """Let `policy` act in `env` and keep what it saw and did.

    Works with any gymnasium environment, single or vectorised, whose observation is an RGB image. An episode
    holds its first frame, every later one up to and including that at which the environment terminated or
    truncated, and the actions between. Each copy of a vectorised environment contributes a share of the
    episodes that is fixed beforehand, because taking whichever finish first would favour short ones; the
    result lists the first episode of every copy, then the second of every copy, and so on. The memory needed
    is that of the result and of the episodes that finished before their turn.

    Args:
        env: A `gymnasium.Env` or `gymnasium.vector.VectorEnv` whose observation is a uint8 image (height,
            width, 3), or a dictionary with one under "pixels". A vectorised one must declare in
            `metadata["autoreset_mode"]` that it resets its copies in the same step or in the next one. It
            must end its episodes itself (a `TimeLimit` will do) and is left open.
        policy: Called as `policy(info)` with the info that the environment just returned, it gives the
            action, or one a copy for a vectorised environment. If it has a method `reset(seed)`, that is
            called once at the start.
        num_episodes: Number of episodes to return.
        seed: Seed of the environment and of the policy, which receive different seeds derived from it, so
            that neighbouring seeds share no episode. Equal seeds give equal data for an equal number of
            copies.
        columns: Entries of the info to keep, one value a row. Unless given, "state", "goal" and "proprio" are
            kept where the environment reports them.
        environment_id: Name of the environment, kept with the data; its `spec.id` unless given.
        progress: Show a progress bar.

    Raises:
        ConfigError: An option is out of range, or the environment cannot be stepped by this function.
        DataError: The environment or the policy returned something of a wrong shape, dtype or value.

    Example:
        ```python
        import numpy as np
        from leworld.data import collect

        class Counter:  # any gymnasium.Env does
            def reset(self, *, seed=None, options=None):
                self.count = 0
                return np.zeros((8, 8, 3), np.uint8), {"state": np.zeros(1)}

            def step(self, action):
                self.count += 1
                frame = np.full((8, 8, 3), self.count, np.uint8)
                return frame, 0.0, False, self.count == 4, {"state": np.full(1, float(self.count))}

        episodes = collect(Counter(), lambda info: info["state"] + 1, num_episodes=2, seed=0, progress=False)
        assert episodes.lengths.tolist() == [5, 5] and episodes.actions[3] == 4.0
        ```
    """
    check_number("collect", "num_episodes", num_episodes, low=1, integer=True)
    check_number("collect", "seed", seed, low=0, integer=True)
    if not callable(policy):
        raise ConfigError(
            "collect needs `policy` to be callable as `policy(info)`",
            f"`policy` is {describe(policy)}",
            "Pass an expert policy, or `lambda info: env.action_space.sample()`",
        )
    stepper = open_stepper(env)
    reset_policy = getattr(policy, "reset", None)
    if reset_policy is not None:
        reset_policy(_seed_32(seed, 1))
    now = stepper.reset(_seed_32(seed, 0))
    names = tuple(columns) if columns is not None else tuple(n for n in _USUAL_COLUMNS if n in now.info)
    copies = stepper.num_copies
    quotas = [(num_episodes - copy + copies - 1) // copies for copy in range(copies)]
    recorder = Recorder(names, quotas)
    for copy in range(copies):
        recorder.add_frame(copy, now.frame(copy), now.columns(copy, names))
    with tqdm(total=num_episodes, desc="collect", unit="episode", disable=not progress) as bar:
        while not recorder.full:
            actions = _checked_actions(policy(now.info), stepper.is_vector, copies)
            now = stepper.step(actions)
            for copy in range(copies):
                if not now.is_first[copy]:
                    recorder.add_action(copy, actions[copy])
                    ended = bool(now.ended[copy])
                    last = now.final if ended and now.final is not None else now
                    recorder.add_frame(copy, last.frame(copy), last.columns(copy, names))
                    if ended:
                        bar.update(recorder.end_episode(copy))
                    if not ended or now.final is None:
                        continue
                recorder.add_frame(copy, now.frame(copy), now.columns(copy, names))
    return recorder.episodes(environment_id or stepper.environment_id)


def _seed_32(seed: int, stream: int) -> int:
    """Derive a seed that gymnasium, numpy and torch all take, far from those of neighbouring seeds."""
    return fold_seed(seed, stream) & 0x7FFFFFFF


def _checked_actions(actions: Any, is_vector: bool, copies: int) -> np.ndarray:
    """Return (copy, action) float32 actions of the policy, whatever float or integer array it gave."""
    array = np.asarray(actions)
    due = f"({copies}, action)" if is_vector else "(action,)"
    fits = array.ndim == 2 and len(array) == copies if is_vector else array.ndim == 1
    if not fits or array.dtype.kind not in "fiu" or array.size == 0 or not np.isfinite(array).all():
        raise DataError(
            f"collect needs `policy` to return finite actions of shape {due}",
            f"it returned {describe(array)}" + (f", {array.tolist()}"[:120] if fits else ""),
            "Return one vector of numbers for every copy of the environment",
        )
    return array.astype(np.float32).reshape(copies if is_vector else 1, -1)
