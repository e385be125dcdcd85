"""Push-T's motion against trajectories measured with pymunk 6.8.1 and 7.3.1, from a few lines of our own."""

import copy
import math
import pickle

import numpy as np
import pytest

pytest.importorskip("pymunk")
from leworld.envs import PushTArena
from leworld.envs.pusht._physics import PushTPhysics

START = (256, 420, 256, 256, math.pi / 4, 0, 0)
GOLDEN = (  # action, agent x and y, block x, y and angle, agent velocity
    ((0, -1), (256, 390.432821, 256, 256, 0.785398, 0, -374.147656)),
    ((0, -1), (256, 349.666725, 256, 256, 0.785398, 0, -371.696116)),
    ((0, -1), (256, 308.974008, 256.91945, 251.734176, 0.733893, 0, -371.712179)),
    ((0.3, -0.8), (264.870154, 274.194246, 258.049788, 221.663315, 0.464164, 112.244297, -296.882543)),
    ((-0.5, -0.5), (253.44624, 250.524424, 240.760537, 199.404151, 0.322393, -187.80929, -185.128555)),
    ((-1, 0.2), (218.257588, 250.896627, 210.833536, 188.463271, 0.353165, -372.917067, 76.042555)),
    ((0, 1), (207.095505, 282.739897, 206.346071, 186.783903, 0.378087, 2.443476, 373.6494)),
)


def started(*state, settle=True):
    physics = PushTPhysics()
    physics.set_state(np.array(state, dtype=float), settle=settle)
    return physics


@pytest.mark.parametrize("settle", [True, False])
def test_pushes_as_measured(settle):
    physics = started(*START, settle=settle)
    for action, expected in GOLDEN:
        physics.step(np.array(action))
        np.testing.assert_allclose(physics.state(), expected, atol=1e-4, rtol=0)


def test_an_overlap_is_pushed_apart():
    physics = started(256, 300, 256, 256, 0, 0, 0)
    physics.step(np.zeros(2))
    assert abs(physics.state()[3] - 262.883217) < 1e-4


def test_a_wall_stops_the_block_and_not_the_agent():
    physics = started(300, 256, 150, 256, 0, 0, 0)
    for _ in range(12):
        physics.step(np.array([-1.0, 0.0]))
    state = physics.state()
    np.testing.assert_allclose(state[2:5], (37.112078, 322.651526, 5.239673), atol=1e-4, rtol=0)
    assert abs(state[0] + 177.26) < 0.01


def test_two_hundred_random_actions():
    physics, draws = started(256, 300, 256, 256, 0.3, 0, 0), np.random.RandomState(0)
    for _ in range(200):
        physics.step(draws.uniform(-1, 1, 2) * 0.7)
    expected = (334.309284, 138.758301, 215.952514, 224.458073, 0.276477)
    np.testing.assert_allclose(physics.state()[:5], expected, atol=1e-4, rtol=0)


def test_settling_drifts_by_a_hundredth_of_the_velocity():
    state = started(100, 100, 300, 300, 0.5, 200, -100).state()
    np.testing.assert_allclose(state[:2], (102, 99), atol=1e-9, rtol=0)


def test_a_state_is_set_exactly_and_decides_what_follows():
    draws, used = np.random.default_rng(0), PushTPhysics()
    for _ in range(60):
        low, high = (50, 50, 100, 100, 0, -200, -200), (450, 450, 400, 400, 2 * math.pi, 200, 200)
        state = draws.uniform(low, high)
        fresh = started(*state, settle=False)
        used.set_state(state)
        np.testing.assert_allclose(used.state(), state, atol=1e-9, rtol=0)
        for action in draws.uniform(-1, 1, (10, 2)):
            used.step(action)
            fresh.step(action)
        assert (used.state() == fresh.state()).all()


def test_an_action_of_one_from_rest_moves_as_the_controller_says():
    physics = started(100, 100, 400, 400, 0, 0, 0)
    physics.step(np.array([1.0, 0.0]))
    np.testing.assert_allclose(physics.state()[[0, 5]], (129.567, 374.15), atol=0.01, rtol=0)


@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy, lambda one: pickle.loads(pickle.dumps(one))])
@pytest.mark.parametrize("settle", [True, False])
def test_a_copy_goes_on_to_the_bit(copied, settle):
    """In the middle of pushes, whose contacts are remembered, and from states that overlap."""
    draws = np.random.default_rng(1)
    for steps in (0, 1, 7, 40):
        physics = PushTPhysics()
        physics.set_state(
            draws.uniform((150, 150, 200, 200, 0, -9, -9), (350, 350, 300, 300, 6, 9, 9)), settle=settle
        )
        for action in draws.uniform(-1, 1, (steps, 2)):
            physics.step(action)
        second = copied(physics)
        third = copied(second)
        assert (second.state() == physics.state()).all()
        for action in draws.uniform(-1, 1, (30, 2)):
            for one in (physics, second, third):
                one.step(action)
            assert (second.state() == physics.state()).all()
            assert (third.state() == physics.state()).all()


def test_a_state_that_is_read_is_the_one_that_was_set():
    draws, physics = np.random.default_rng(0), PushTPhysics()
    for _ in range(100):
        state = draws.uniform((50, 50, 100, 100, 0, -200, -200), (450, 450, 400, 400, 2 * math.pi, 200, 200))
        physics.set_state(state)
        assert (physics.state() == state).all()
    state[4] = -1e-17
    physics.set_state(state)
    assert physics.state()[4] == 0.0


def test_no_action_and_no_row_leave_states_as_they_are():
    state = np.array(START)
    assert (PushTArena().rollout(state, np.zeros((0, 2))) == state).all()
    assert PushTArena().rollout(np.zeros((0, 7)), np.zeros((3, 2))).shape == (0, 7)
