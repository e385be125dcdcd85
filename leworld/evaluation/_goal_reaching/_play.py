"""Play policies on pairs of start and goal, and judge what they reached."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from tqdm import tqdm

from ..._autoreset import autoreset_mode
from ..._checks import check_number, describe, plain_numbers
from ..._lending import copied
from ..._random import fold_seed
from ...control import Policy
from ...data import Observation
from ...errors import ConfigError, NonFiniteError, ShapeError
from ._environment import GoalEnvironment
from ._outcome import judge
from ._pairs import GoalPairs
from ._recording import Recording
from ._result import GoalReachingResult


@plain_numbers
def goal_reaching(
    pairs: GoalPairs,
    policies: Mapping[str, Policy],
    *,
    env: GoalEnvironment,
    seed: int = 0,
    num_recorded: int = 4,
    progress: bool = True,
) -> GoalReachingResult:
    """Let every policy play every pair of start and goal, and count who arrives.

    Each pair is one episode of exactly `pairs.budget` steps. A goal counts as reached at step t when the
    state after the t-th action is within `pairs.success_radius` of it, or `pairs.success` says so, t = 1 ..
    budget; the start is no step. With `pairs.hold_steps` above 1 it counts from the last of that many steps
    in a row.
    Pairs that are solved at the start are left out and counted. Episodes go on after arriving, so that the
    share that is at the goal in the end ("at last step") is told beside the share that ever arrives.

    The pairs run side by side, `env.num_envs` at a time; the last group is filled up with copies of its last
    pair, whose results are dropped. Cost: `budget` calls of every policy for each group.

    Args:
        pairs: The protocol. Its episodes must be ones that no policy was trained on.
        policies: Policies by the name that the table shows, in its order.
        env: Environment whose copies can be set to a start and a goal, without automatic reset.
        seed: Seed of the environment's own randomness. Policies have seeds of their own.
        num_recorded: Pairs whose frames are kept for `write_gif`, from the first on.
        progress: Show a progress bar on the error stream.

    Raises:
        ConfigError: No policy, only solved pairs, an environment that resets itself or ignores the start.
        ShapeError: A policy returned actions of another shape than (env, action), or integers (env,).
        NonFiniteError: A policy returned NaN or infinite actions.

    Randomness:
        The result is a function of the pairs, the policies' own states and `seed`. With a deterministic
        environment, `seed` matters not at all. A policy that starts its noise anew at `reset`, as those of
        leworld do, gives every group of pairs the same noise.

    Source:
        Success at any step within the budget is the criterion of Maes et al., LeWorldModel, 2026, arXiv
        2603.19312. Leaving solved pairs out, the success at the last step and the intervals are additions.

    Example:
        ```python
        import numpy as np
        from leworld.control import RandomPolicy
        from leworld.evaluation import GoalPairs, goal_reaching
        from leworld.tasks import get_task

        pairs = GoalPairs(
            start=np.array([[40.0, 60.0]], dtype=np.float32),
            goal=np.array([[40.0, 140.0]], dtype=np.float32),
            protocol="by-hand",
            budget=10,
            success_radius=16.0,
        )
        env = get_task("tworoom").make(1)
        policies = {"random": RandomPolicy(2)}
        result = goal_reaching(pairs, policies, env=env, progress=False)
        assert result.policies["random"].success_rate == 0.0  # 80 units do not fit into 10 steps
        ```
    """
    if not isinstance(pairs, GoalPairs):
        raise ConfigError(
            "goal_reaching needs `pairs` to be `GoalPairs`",
            f"`pairs` is {describe(pairs)}",
            "Draw them with a task's `pairs`, or with `trajectory_pairs`",
        )
    _check_options(policies, env, seed, num_recorded)
    kept = pairs.unsolved()
    outcomes, recordings = {}, {}
    groups = range(0, len(kept), env.num_envs)
    total = len(policies) * len(groups) * kept.budget
    with tqdm(total=total, unit="step", disable=not progress) as bar:
        for name, policy in policies.items():
            bar.set_description(name)
            played = [
                _play(
                    kept,
                    policy,
                    name,
                    env,
                    rows=range(first, min(first + env.num_envs, len(kept))),
                    seed=fold_seed(seed, index) % 2**31,
                    num_recorded=num_recorded,
                    bar=bar,
                )
                for index, first in enumerate(groups)
            ]
            states, frames, goal_frames = (
                np.concatenate(parts) for parts in zip(*(p[:3] for p in played), strict=True)
            )
            recordings[name] = Recording(states=states, frames=frames, goal_frames=goal_frames)
            after, goals = states[:, 1:], kept.goal[:, None]
            near = kept.held(kept.reached(after, goals))
            outcomes[name] = judge(kept.distance(after, goals), near, seconds=sum(p[3] for p in played))
    return GoalReachingResult(
        protocol=kept.protocol,
        budget=kept.budget,
        success_radius=kept.success_radius,
        success=None if kept.success is None and kept.hold_steps == 1 else kept.words,
        distance_unit=None if kept.success is None else kept.success.distance_unit,
        num_presolved=kept.num_presolved,
        seed=seed,
        start=kept.start,
        goal=kept.goal,
        policies=outcomes,
        recordings=recordings,
    )


def _play(
    pairs: GoalPairs,
    policy: Policy,
    name: str,
    env: GoalEnvironment,
    *,
    rows: range,
    seed: int,
    num_recorded: int,
    bar: Any,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Play one group of pairs and return its states, frames, goal frames and the policy's seconds."""
    filled = np.minimum(np.arange(rows.start, rows.start + env.num_envs), rows.stop - 1)
    start, goal = pairs.start[filled], pairs.goal[filled]
    seen, info = env.reset(seed=seed, options={"state": start.copy(), "goal": goal.copy()})
    state = np.array(info["state"], dtype=np.float32)
    if state.shape != start.shape or not np.allclose(state, start, rtol=1e-5, atol=1e-3):
        raise ConfigError(
            'goal_reaching needs an environment that starts where `reset(options={"state": ...})` says',
            f"it reports {describe(state)} that differ from the starts of the pairs",
            "Honour `options` in `reset`, and draw pairs whose starts are valid states",
        )
    now, target = _sensed(seen, info, state), _goal(info, goal)
    show = slice(0, max(0, min(rows.stop, num_recorded) - rows.start))
    show = show if "pixels" in now and "pixels" in target else None
    states, frames = [state], [_picture(now, show)]
    began = time.perf_counter()
    policy.reset(target.map(copied))
    seconds = time.perf_counter() - began
    for _ in range(pairs.budget):
        began = time.perf_counter()
        action = policy.act(now)
        seconds += time.perf_counter() - began
        _check_action(name, action, env.num_envs)
        seen, _, _, _, info = env.step(action.copy())
        state = np.array(info["state"], dtype=np.float32)
        if not np.isfinite(state).all():
            raise NonFiniteError(
                "goal_reaching needs an environment with finite states",
                f"after an action of `{name}` a state is NaN or infinite",
                "Look into the environment's dynamics",
            )
        now = _sensed(seen, info, state)
        states.append(state)
        frames.append(_picture(now, show))
        bar.update()
    moments = np.stack(states, axis=1)[: len(rows)]
    return moments, np.stack(frames, axis=1), _picture(target, show), seconds


def _sensed(seen: Any, info: Mapping[str, Any], state: np.ndarray) -> Observation:
    """Return copies of what an environment showed, of vectors of its info, and of the true state.

    The policy may keep or change them, and the environment may use its arrays again.
    """
    if isinstance(seen, Mapping):
        shown = {name: np.asarray(part) for name, part in seen.items()}
    else:
        bare = np.asarray(seen)
        shown = {"observation" if bare.ndim == 2 else "pixels": bare}
    told = {key: part for key, part in _parts(info, len(state)).items() if part.ndim == 2}
    told = {key: part for key, part in told.items() if not key.startswith(("_", "goal", "final"))}
    return Observation(parts=told | shown | {"state": state}).map(copied)


def _goal(info: Mapping[str, Any], goal: np.ndarray) -> Observation:
    """Return what the goals look and feel like: the entries `goal_<part>` of the info, and their states."""
    known = {key.removeprefix("goal_"): info[key] for key in info if key.startswith("goal_")}
    return Observation(parts=_parts(known, len(goal)) | {"state": goal}).map(copied)


def _parts(entries: Mapping[str, Any], num_envs: int) -> dict[str, np.ndarray]:
    """Return those entries that can be parts of an observation: pictures, and vectors (env, dim)."""
    found = {}
    for key, value in entries.items():
        array = np.asarray(value)
        picture = array.ndim == 4 and array.dtype == np.uint8
        vector = array.ndim == 2 and array.dtype.kind in "biuf" and key != "pixels"
        if str(key).isidentifier() and (picture or vector) and len(array) == num_envs:
            found[key] = array
    return found


def _picture(seen: Observation, show: slice | None) -> np.ndarray:
    """Copy the pixels of the recorded copies; None without pixels, where no copy is recorded."""
    return np.zeros((0, 1, 1, 3), np.uint8) if show is None else np.array(seen["pixels"][show])


def _check_options(
    policies: Mapping[str, Policy], env: GoalEnvironment, seed: int, num_recorded: int
) -> None:
    check_number("goal_reaching", "seed", seed, low=0, integer=True)
    check_number("goal_reaching", "num_recorded", num_recorded, low=0, integer=True)
    if not isinstance(policies, Mapping) or not policies:
        raise ConfigError(
            "goal_reaching needs `policies` to map at least one name to a policy",
            f"`policies` is {describe(policies)}",
            'Pass for example {"LeWM": MPCPolicy(...), "random": RandomPolicy(...)}',
        )
    for name, policy in policies.items():
        if not isinstance(policy, Policy):
            raise ConfigError(
                "goal_reaching needs every policy to be a `leworld.control.Policy`",
                f"`{name}` is {describe(policy)}",
                "Subclass Policy with `reset(goal)` and `act(observation)`",
            )
    if not isinstance(env, GoalEnvironment):
        raise ConfigError(
            "goal_reaching needs `env` to be a vector environment that can be set to a state and a goal",
            f"`env` is {describe(env)}",
            "Pass what a task's `make(num_envs)` returns, or see GoalEnvironment",
        )
    if autoreset_mode(env) not in (None, "Disabled"):
        mode = getattr(env, "metadata", {})["autoreset_mode"]
        raise ConfigError(
            "goal_reaching needs an environment whose copies go on after reaching the goal",
            f"its autoreset mode is {getattr(mode, 'name', mode)}",
            'Construct it with `autoreset_mode="Disabled"`',
        )


def _check_action(name: str, action: object, num_envs: int) -> None:
    usable = isinstance(action, np.ndarray) and action.shape[:1] == (num_envs,)
    if not isinstance(action, np.ndarray) or not usable or not _is_action(action):
        raise ShapeError(
            f"goal_reaching needs actions of the axes (env, action), or numbers of choices (env,), with "
            f"env={num_envs}",
            f"policy `{name}` returned {describe(action)}",
            "Return one raw action for every environment",
        )
    if not np.isfinite(action).all():
        raise NonFiniteError(
            "goal_reaching needs finite actions",
            f"policy `{name}` returned {int((~np.isfinite(action)).sum())} NaN or infinite components",
            "Look into the plan's outcome, or bound the search",
        )


def _is_action(action: np.ndarray) -> bool:
    return action.ndim == 2 or (action.ndim == 1 and action.dtype.kind in "iu")
