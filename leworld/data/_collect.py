"""Filling `Episodes` by letting a policy act in an environment."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from .._checks import check_number, describe, plain_numbers
from .._lending import copied
from .._random import fold_seed
from ..errors import ConfigError, DataError
from ._episodes import Episodes
from ._recorder import Recorder
from ._stepping import Moment, discrete_actions, frame_rate, open_stepper
from ._stepping import environment_id as registered_name
from ._trajectories import one_hot

_USUAL_COLUMNS = ("state", "goal", "proprio")
_OWN_COLUMNS = ("pixels", "reward", "terminated", "truncated")


@plain_numbers
def collect(
    env: Any,
    policy: Any,
    *,
    num_episodes: int,
    seed: int,
    columns: Sequence[str] | None = None,
    environment_id: str | None = None,
    fps: float | None = None,
    progress: bool = True,
) -> Episodes:
    """Let `policy` act in `env` and keep what it saw and did.

    Works with any gymnasium environment, single or vectorised, that shows an RGB image, a vector, or a
    dictionary of these. An episode holds its first frame, every later one up to and including that at which
    the environment terminated or truncated, and the actions between, with what each earned (`reward`) and how
    the episode ended (`terminated`, `truncated`; see `Episodes`). Each copy of a vectorised environment
    contributes a share of the episodes that is fixed beforehand, because taking whichever finish first would
    favour short ones; the result lists the first episode of every copy, then the second of every copy, and so
    on. The memory needed is that of the result and of the episodes that finished before their turn.

    If the environment's actions are `Discrete`, the policy returns their numbers as the environment counts
    them, and the result holds one-hot actions and `action_choices`.

    Args:
        env: A `gymnasium.Env` or `gymnasium.vector.VectorEnv` whose observation is a uint8 image (height,
            width, 3), a vector, or a dictionary. The image, or the one under "pixels", becomes
            `Episodes.pixels`; a bare vector becomes the column "observation"; further pictures and numbers
            become columns of their names, and texts are left out. A vectorised one must declare in
            `metadata["autoreset_mode"]` that it resets its copies in the same step or in the next one. It
            must end its episodes itself (a `TimeLimit` will do) and is left open.
        policy: Called as `policy(info)` with a copy of the info that the environment just returned, it gives
            the action, or one a copy for a vectorised environment. If it has a method `reset(seed)`, that is
            called once at the start.
        num_episodes: Number of episodes to return.
        seed: Seed of the environment and of the policy, which receive different seeds derived from it, so
            that neighbouring seeds share no episode. Equal seeds give equal data for an equal number of
            copies.
        columns: Entries of the info to keep, one value a row. Unless given, "state", "goal" and "proprio" are
            kept where the environment reports them. A part of the observation is kept before an entry of the
            same name.
        environment_id: Name of the environment, kept with the data; its `spec.id` unless given.
        fps: Steps a second, kept with the data; `env.metadata["render_fps"]` unless given.
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
    if fps is not None:
        check_number("collect", "fps", fps, low=0.0, open_low=True)
    if not callable(policy):
        raise ConfigError(
            "collect needs `policy` to be callable as `policy(info)`",
            f"`policy` is {describe(policy)}",
            "Pass an expert policy, or `lambda info: env.action_space.sample()`",
        )
    taken = [name for name in columns or () if name in _OWN_COLUMNS]
    if taken:
        raise ConfigError(
            "collect needs `columns` to name entries of the info",
            f"`{taken[0]}` is kept anyway, from what the environment returns",
            "Leave it out",
        )
    stepper = open_stepper(env)
    choices = discrete_actions(env)
    reset_policy = getattr(policy, "reset", None)
    if reset_policy is not None:
        reset_policy(_seed_32(seed, 1))
    now = stepper.reset(_seed_32(seed, 0))
    parts = _parts(now)
    wanted = columns if columns is not None else [name for name in _USUAL_COLUMNS if name in now.info]
    infos = tuple(name for name in wanted if name not in parts)
    copies = stepper.num_copies
    quotas = [(num_episodes - copy + copies - 1) // copies for copy in range(copies)]
    recorder = Recorder((*parts, *infos), quotas)
    for copy in range(copies):
        recorder.add_row(copy, _row(now, copy, parts, infos))
    with tqdm(total=num_episodes, desc="collect", unit="episode", disable=not progress) as bar:
        while not recorder.full:
            answer = policy(copied(now.info))  # what the policy does with it stays there
            if choices is None:
                actions = done = _checked_actions(answer, stepper.is_vector, copies)
            else:
                actions = _checked_choices(answer, stepper.is_vector, copies, *choices)
                done = one_hot("collect", actions - choices[1], choices[0])
            now = stepper.step(actions.copy())
            outcome, ended = now.outcome, now.outcome.ended
            for copy in range(copies):
                if not now.is_first[copy]:
                    recorder.add_action(copy, done[copy], float(outcome.reward[copy]))
                    last = now.final if ended[copy] and now.final is not None else now
                    recorder.add_row(copy, _row(last, copy, parts, infos))
                    if ended[copy]:
                        why = bool(outcome.terminated[copy]), bool(outcome.truncated[copy])
                        bar.update(recorder.end_episode(copy, *why))
                    if not ended[copy] or now.final is None:
                        continue
                recorder.add_row(copy, _row(now, copy, parts, infos))
    return recorder.episodes(
        environment_id=environment_id or registered_name(env),
        fps=frame_rate(env) if fps is None else fps,
        action_choices=None if choices is None else choices[0],
    )


def _parts(moment: Moment) -> tuple[str, ...]:
    """Return the names of what the environment shows."""
    names = tuple(moment.sensed(0))
    taken = [name for name in names if name in _OWN_COLUMNS[1:]]
    if taken:
        raise DataError(
            "collect needs an observation without parts called `reward`, `terminated` or `truncated`",
            f"there is a part `{taken[0]}`",
            "Rename it in the environment; what a step returns under these names is kept anyway",
        )
    return names


def _row(moment: Moment, copy: int, parts: tuple[str, ...], infos: tuple[str, ...]) -> list[np.ndarray]:
    sensed = moment.sensed(copy)
    if tuple(sensed) != parts and set(sensed) != set(parts):
        raise DataError(
            "collect needs an observation of the same parts in every step",
            f"they were {sorted(parts)} and became {sorted(sensed)}",
            "Make the environment report all of them always",
        )
    return [*(sensed[name] for name in parts), *moment.columns(copy, infos)]


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


def _checked_choices(actions: Any, is_vector: bool, copies: int, count: int, start: int) -> np.ndarray:
    """Return the numbers of the policy's choices, (copy,) int64."""
    array = np.asarray(actions)
    due = f"({copies},)" if is_vector else "()"
    fits = array.shape == (copies,) if is_vector else array.size == 1
    whole = array.dtype.kind in "iu"
    if not fits or not whole or array.min() < start or array.max() >= start + count:
        raise DataError(
            f"collect needs `policy` to return whole numbers from {start} to {start + count - 1} of shape "
            f"{due}, as the environment's actions are choices",
            f"it returned {describe(array)}" + (f", {array.tolist()}"[:120] if fits else ""),
            "Return the number of the choice, not its one-hot vector",
        )
    return array.astype(np.int64).reshape(-1)
