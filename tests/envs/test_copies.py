"""Copies of environments in the middle of an episode go on as the original does, to the bit."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pymunk")
from leworld.envs import PushT, PushTVector, TwoRoom, TwoRoomVector
from leworld.tasks import ArmTask, from_gymnasium
from tests.tasks.gymnasium_worlds import Slider

ENVIRONMENTS: dict[str, Callable[[], Any]] = {
    "PushT": lambda: PushT(8, clip_agent=True),
    "PushTVector": lambda: PushTVector(2, 8, max_episode_steps=20),
    "TwoRoom": lambda: TwoRoom(image_size=8),
    "TwoRoomVector": lambda: TwoRoomVector(2, image_size=8, max_episode_steps=20),
    "arm": lambda: ArmTask().make(2, 8),
    "from_gymnasium": lambda: from_gymnasium(Slider, 0.1, image_size=8).make(2),
}


def steps(env: Any, actions: np.ndarray) -> list[Any]:
    """What a copy shows, earns and tells, with a new episode in the end."""
    found = []
    for action in actions:
        *shown, info = env.step(action.copy())
        found += [*map(np.array, shown), info["state"], info["goal"]]
    pixels, info = env.reset()
    return [*found, pixels, info["state"], info["goal"]]


WAYS = [(name, way) for name in ENVIRONMENTS for way in ("deepcopy", "pickle")]
WAYS.remove(("from_gymnasium", "pickle"))  # its functions are the user's, perhaps lambdas


@pytest.mark.parametrize(("name", "way"), WAYS)
def test_a_copy_goes_on_to_the_bit(name: str, way: str) -> None:
    env = ENVIRONMENTS[name]()
    env.reset(seed=3)
    shape = () if name in ("PushT", "TwoRoom") else (2,)
    width = 1 if name == "from_gymnasium" else 2
    actions = np.random.default_rng(0).uniform(-1, 1, (60, *shape, width)).astype(np.float32)
    for action in actions[:30]:
        env.step(action)
    second = copy.deepcopy(env) if way == "deepcopy" else pickle.loads(pickle.dumps(env))
    due = steps(env, actions[30:])
    for one, other in zip(due, steps(second, actions[30:]), strict=True):
        np.testing.assert_array_equal(one, other)


def test_stepping_a_copy_leaves_the_original_where_it_is() -> None:
    env = PushT(8)
    env.reset(seed=1)
    due = copy.deepcopy(env)
    steps(copy.deepcopy(env), np.ones((5, 2)))
    for one, other in zip(steps(due, np.ones((5, 2))), steps(env, np.ones((5, 2))), strict=True):
        np.testing.assert_array_equal(one, other)
