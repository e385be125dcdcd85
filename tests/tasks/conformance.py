"""What every task must do, so that commands, reports and recipes work in it; wrong ones fail here."""

import numpy as np

from leworld.control import limit_arrays
from leworld.data import Episodes
from leworld.evaluation import GoalEnvironment, GoalPairs, GoalSteps, StateWorld
from leworld.evaluation._surprise._perturb import KINDS
from leworld.tasks import StateTask, Task

SIZE = 16


def parts_of(shown) -> dict[str, np.ndarray]:
    return dict(shown) if isinstance(shown, dict) else {"pixels": shown}


def check_facts(task: Task) -> None:
    """Names, limits and success are set and agree with each other."""
    assert task.name
    assert task.environment_id
    assert task.action_dim >= 1
    low, high = limit_arrays(task.action_limits, task.action_dim, owner="task")
    assert (low < high).all()
    assert task.action_choices in (None, task.action_dim)
    assert task.protocols
    assert task.budget >= 1
    assert (task.success_radius is None) == bool(task.success_words)
    assert set(task.events) <= set(KINDS)


def check_environment(task: Task) -> None:
    """Copies start where they are told, show it, go on after the goal, and never start over by themselves."""
    env = task.make(4, SIZE)
    assert isinstance(env, GoalEnvironment)
    mode = getattr(env, "metadata", {}).get("autoreset_mode")
    assert getattr(mode, "value", mode) in (None, "Disabled")
    _, info = env.reset(seed=3)
    states = np.array(info["state"])
    _, again = env.reset(seed=3)
    assert np.array_equal(again["state"], states)
    _, other = env.reset(seed=4)
    assert not np.array_equal(other["state"], states)
    goals = np.array(other["state"])
    first, info = env.reset(seed=0, options={"state": states, "goal": goals})
    pixels = parts_of(first)["pixels"]
    assert np.allclose(info["state"], states, atol=1e-4), "the start is ignored"
    assert np.allclose(info["goal"], goals, atol=1e-4), "the goal is ignored"
    assert pixels.shape == (4, SIZE, SIZE, 3)
    assert pixels.dtype == np.uint8
    assert not np.array_equal(pixels[0], pixels[1]), "different states look alike"
    shown, _ = env.reset(seed=0, options={"state": goals, "goal": goals})
    for name, part in parts_of(shown).items():
        assert np.array_equal(np.asarray(info[f"goal_{name}"]), part), f"the goal's {name} is another one"
    _, high = limit_arrays(task.action_limits, task.action_dim, owner="task")
    push = np.tile(high, (4, 1)) if task.action_choices is None else np.full(4, task.action_choices - 1)
    for _ in range(3):
        last, _, _, _, info = env.step(push)
    assert not np.allclose(info["state"], goals, atol=1e-4), "actions do nothing, or the copy was reset"
    still, _ = env.reset(seed=0, options={"state": np.array(info["state"]), "goal": goals})
    for name, part in parts_of(still).items():
        assert np.array_equal(part, parts_of(last)[name]), "a state looks different when it is set"


def check_success(task: Task, held_out: Episodes) -> None:
    """A goal is reached by itself, near means nearer than far, and both broadcast over leading axes."""
    states = np.asarray(held_out.columns["state"], np.float32)[:40]
    assert np.asarray(task.reached(states, states)).all(), "a state is not at itself"
    assert np.allclose(task.distance(states, states), 0.0, atol=1e-6)
    table = np.asarray(task.distance(states[:, None], states[None]))
    near = np.asarray(task.reached(states[:, None], states[None]))
    assert table.shape == near.shape == (len(states), len(states))
    assert near.dtype == np.bool_
    assert not near.all(), "everything is reached everywhere"
    assert table[near].max() <= table[~near].min() + 1e-6 or task.success_radius is None
    assert table[near].mean() < table[~near].mean(), "what is reached is farther off than what is not"


def check_data(task: Task) -> None:
    """Episodes are a function of the seed, have states, and held-out ones share nothing with training."""
    first, again, other = (task.held_out(6, seed=seed, image_size=SIZE) for seed in (0, 0, 1))
    assert len(first) == 6
    assert first.pixels.shape[1:] == (SIZE, SIZE, 3)
    assert first.environment_id == task.environment_id
    assert np.array_equal(first.columns["state"], again.columns["state"], equal_nan=True)
    assert np.array_equal(first.actions, again.actions, equal_nan=True)
    for quantity in task.quantities.values():
        assert quantity.column in first.columns
    known = first.actions[np.isfinite(first.actions).all(axis=1)]
    assert known.shape[1] == task.action_dim
    low, high = limit_arrays(task.action_limits, task.action_dim, owner="task")
    assert first.action_choices == task.action_choices
    if task.action_choices is None:
        assert (known >= low).all()
        assert (known <= high).all()
    else:
        assert (known.sum(axis=1) == 1).all()
        assert (known.mean(axis=0) > 0).all(), "a choice is never taken"
    env = task.make(1, SIZE)
    for name in parts_of(env.reset(seed=0)[0]):
        assert name == "pixels" or name in first.columns, f"{name} is not kept"
    starts = {tuple(row) for row in np.asarray(first.columns["state"])[first.offsets].tolist()}
    rest = [other, *(task.collect(6, seed=seed, image_size=SIZE) for seed in range(3))]
    for episodes in rest:
        found = {tuple(row) for row in np.asarray(episodes.columns["state"]).tolist()}
        assert not starts & found, "held-out episodes are among the others"


def check_pairs(task: Task) -> None:
    """Every protocol draws pairs from the seed that are not solved and can be played."""
    for protocol in task.protocols:
        pairs, again, other = (task.pairs(protocol, 6, seed=seed) for seed in (0, 0, 1))
        assert isinstance(pairs, GoalPairs)
        assert pairs.protocol == protocol
        assert len(pairs) == 6
        assert np.array_equal(pairs.start, again.start)
        assert not np.array_equal(pairs.start, other.start)
        assert not np.asarray(task.reached(pairs.start, pairs.goal)).any(), "solved at the start"
        apart = pairs.distance(pairs.start, pairs.goal)
        rule = task if pairs.success is None else pairs.success  # a protocol may have one of its own
        assert np.allclose(apart, rule.distance(pairs.start, pairs.goal), atol=1e-4)
        env = task.make(6, SIZE)
        _, info = env.reset(options={"state": pairs.start, "goal": pairs.goal})
        assert np.allclose(info["state"], pairs.start, atol=1e-3)


def check_world(task: Task, held_out: Episodes) -> None:
    """Exact dynamics and pictures agree with the environment, and goal steps come nearer."""
    world = task.world
    if world is None:
        assert task.oracle(_planner(), frameskip=2) is None
        return
    offered = task.action_choices is None and getattr(task, "has_oracle", True)  # off where it costs hours
    assert (task.oracle(_planner(), frameskip=2) is not None) == offered
    assert isinstance(world, StateWorld)
    states = np.asarray(held_out.columns["state"], np.float32)
    inside = np.isfinite(held_out.actions).all(axis=1)
    rows = np.flatnonzero(inside)[:50]
    after = np.asarray(world.step(states[rows], held_out.actions[rows]))
    # Where bodies touch, an episode remembers more than its states, so that rows may be a little off.
    missed = np.asarray(task.distance(after, states[rows + 1]))
    assert (missed < 1e-3).mean() > 0.5, "another motion"
    assert missed.max() < 0.1, "another motion"
    assert np.array_equal(world.render(states[rows], SIZE), held_out.pixels[rows]), "another picture"
    if isinstance(task, StateTask):
        for name, part in task.sense(states[rows]).items():
            assert np.array_equal(part, held_out.columns[name][rows]), f"another {name}"
    steps = task.goal_steps(60, seed=1)
    if steps is not None:
        assert isinstance(steps, GoalSteps)
        assert (task.distance(steps.after, steps.goal) < steps.distance + 1e-6).all()
        assert steps.edges[0] <= steps.distance.min()


def check_task(task: Task) -> None:
    """All of it."""
    check_facts(task)
    held_out = task.held_out(6, seed=2, image_size=SIZE)
    check_environment(task)
    check_success(task, held_out)
    check_data(task)
    check_pairs(task)
    check_world(task, held_out)


def _planner():
    from leworld.planners import CEMPlanner

    return CEMPlanner(horizon=2, num_samples=8, num_elites=2, num_iterations=1)
