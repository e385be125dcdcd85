"""Mistakes that the checks of this room must notice, several of them found in published evaluations."""

import dataclasses
from collections.abc import Callable

import numpy as np

from leworld.data import Episodes, Observation
from leworld.evaluation import GoalPairs, GoalReachingResult, PolicyOutcome, goal_reaching, trajectory_pairs
from leworld.evaluation._goal_reaching._pairs import distances


def evaluate(
    pairs: GoalPairs,
    policies,
    *,
    env,
    keep_solved: bool = False,
    forget_solved: bool = False,
    first: int = 1,
    last: int | None = None,
    keep_padding: bool = False,
    copy: bool = True,
    stop: bool = False,
    order: Callable[[np.ndarray], np.ndarray] = lambda near: near,
    steps_from: int = 1,
    strict: bool = False,
) -> GoalReachingResult:
    """A second, plain evaluation, right with its defaults, with a switch for every mistake."""
    kept = pairs if keep_solved else pairs.unsolved()
    (name, policy), *_ = policies.items()
    tables, goals = [], []
    for begin in range(0, len(kept), env.num_envs):
        rows = np.minimum(np.arange(begin, begin + env.num_envs), len(kept) - 1)
        size = len(rows) if keep_padding else min(env.num_envs, len(kept) - begin)
        goal = kept.goal[rows]
        pixels, info = env.reset(options={"state": kept.start[rows], "goal": goal})
        policy.reset(Observation(pixels=info["goal_pixels"], state=goal))
        states = [info["state"].copy() if copy else info["state"]]
        for _ in range(kept.budget):
            action = policy.act(Observation(pixels=pixels, state=info["state"].copy()))
            if stop:  # frozen on arrival, as with an environment that ends its episodes
                action = action * (distances(info["state"], goal) > kept.success_radius)[:, None]
            pixels, _, _, _, info = env.step(action)
            states.append(info["state"].copy() if copy else info["state"])
        tables.append(np.stack(states, axis=1)[:size])
        goals.append(goal[:size])
    states, goal = np.concatenate(tables), np.concatenate(goals)
    distance = distances(states, goal[:, None])[:, first:last]
    near = order(distance < kept.success_radius if strict else distance <= kept.success_radius)
    outcome = PolicyOutcome(
        reached=tuple(near.any(1).tolist()),
        reached_at_last=tuple(near[:, -1].tolist()),
        steps_to_reach=tuple(int(row.argmax()) + steps_from if row.any() else None for row in near),
        final_distance=tuple(distance[:, -1].tolist()),
    )
    return GoalReachingResult(
        protocol=kept.protocol,
        budget=kept.budget,
        success_radius=kept.success_radius,
        num_presolved=0 if forget_solved else kept.num_presolved,
        seed=0,
        start=np.resize(kept.start, (len(near), 2)),
        goal=goal,
        policies={name: outcome},
    )


def _with(**mistake):
    return lambda pairs, policies, *, env: evaluate(pairs, policies, env=env, **mistake)


def _radius(pairs, policies, *, env):
    return evaluate(dataclasses.replace(pairs, success_radius=2.5), policies, env=env)


def _budget(change: int):
    def wrong(pairs, policies, *, env):
        changed = dataclasses.replace(pairs, budget=pairs.budget + change)
        return goal_reaching(changed, policies, env=env, progress=False)

    return wrong


EVALUATIONS = {
    "solved pairs count as successes": _with(keep_solved=True),
    "solved pairs are not told": _with(forget_solved=True),
    "looks one step early": _with(first=0, last=-1),
    "the start counts as a step": _with(first=0),
    "the last step is not looked at": _with(last=-1),
    "the first step is not looked at": _with(first=2),
    "steps counted from 0": _with(steps_from=0),
    "one step less": _budget(-1),
    "copies that fill the last group are averaged in": _with(keep_padding=True),
    "references instead of copies": _with(copy=False),
    "episodes end on arrival": _with(stop=True),
    "arrived once is arrived at last": _with(order=lambda near: np.maximum.accumulate(near, axis=1)),
    "only the last step counts": _with(order=lambda near: near & (np.arange(near.shape[1]) == 3)),
    "border excluded": _with(strict=True),
    "another radius": _radius,
}


def _across_episodes(episodes: Episodes, num_pairs: int, **options) -> GoalPairs:
    joined = dataclasses.replace(episodes, lengths=np.array([len(episodes.pixels)]))
    return trajectory_pairs(joined, num_pairs, **options)


def _shifted(change: int):
    def draw(episodes: Episodes, num_pairs: int, *, goal_offset: int, **options) -> GoalPairs:
        return trajectory_pairs(episodes, num_pairs, goal_offset=goal_offset + change, **options)

    return draw


def _uniform_rows(episodes: Episodes, num_pairs: int, *, goal_offset, success_radius, seed) -> GoalPairs:
    """As published: uniform rows, solved ones among them."""
    state, generator = episodes.columns["state"], np.random.default_rng(seed)
    rows = [
        row
        for begin, length in zip(episodes.offsets, episodes.lengths, strict=True)
        for row in range(begin, begin + length - goal_offset)
    ]
    chosen = generator.permutation(rows)[:num_pairs]
    return GoalPairs(
        start=state[chosen],
        goal=state[chosen + goal_offset],
        protocol="trajectory",
        budget=50,
        success_radius=success_radius,
    )


def _uncounted(episodes: Episodes, num_pairs: int, **options) -> GoalPairs:
    return dataclasses.replace(trajectory_pairs(episodes, num_pairs, **options), num_presolved=0)


DRAWS = {
    "goals in the next episode": _across_episodes,
    "goal one step early": _shifted(-1),
    "goal one step late": _shifted(1),
    "solved pairs kept": _uniform_rows,
    "solved pairs not counted": _uncounted,
    "seed ignored": lambda e, n, *, seed, **o: trajectory_pairs(e, n, seed=0, **o),
    "start and goal swapped": lambda e, n, **o: dataclasses.replace(
        trajectory_pairs(e, n, **o),
        start=trajectory_pairs(e, n, **o).goal,
        goal=trajectory_pairs(e, n, **o).start,
    ),
}
