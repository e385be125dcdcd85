import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leworld.envs import TwoRoomArena
from leworld.errors import LeWorldError
from tests.envs import reference, wrong
from tests.envs.checks import DOORS, check_motion


def make_step(doors):
    return TwoRoomArena(doors).step


def test_motion_follows_the_rules():
    check_motion(make_step)


@pytest.mark.parametrize("make_wrong", wrong.MOTIONS, ids=lambda f: f.__name__)
def test_wrong_motion_is_rejected(make_wrong):
    with pytest.raises((AssertionError, LeWorldError)):
        check_motion(make_wrong)


@st.composite
def door_settings(draw):
    doors = []
    for _ in range(draw(st.integers(1, 3))):
        half = draw(st.floats(7.001, 97))
        doors.append((draw(st.floats(14 + half + 1e-9, 210 - half - 1e-9)), half))
    return doors


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(door_settings(), st.integers(0, 2**32 - 1), st.sampled_from([np.float32, np.float64]))
def test_no_state_is_ever_inside_a_wall(doors, seed, dtype):
    rng = np.random.default_rng(seed)
    arena = TwoRoomArena(doors)
    state = reference.start_positions(doors, rng, 200).astype(dtype)
    state = state[arena.is_free(state)]  # a passage is rounded inward by one float32 step
    for _ in range(25):
        actions = reference.adversarial_actions(rng, (len(state),)).astype(dtype)
        before, state = state, arena.step(state, actions)
        assert state.dtype == dtype
        assert reference.free(doors, *state.T.astype(np.float64)).all()
        assert arena.is_free(state).all()
        assert arena.is_free(state.astype(np.float32)).all()
        moved = state.astype(np.float64) - before
        assert np.abs(moved).max() <= 5 + 1e-4
        assert (moved * np.sign(actions)).min() >= -1e-4  # never against the action
        crossed = (before[:, 0] <= 100) & (state[:, 0] >= 124) | (before[:, 0] >= 124) & (state[:, 0] <= 100)
        assert not crossed.any()


@pytest.mark.parametrize("doors", DOORS)
def test_mirrored_arenas_move_alike(doors):
    rng = np.random.default_rng(1)
    start = reference.start_positions(doors, rng, 4000).astype(np.float64)
    actions = reference.adversarial_actions(rng, (4000,)).astype(np.float64)
    end = TwoRoomArena(doors).step(start, actions)
    flip = np.array([224.0, 0.0]), np.array([-1.0, 1.0])
    assert np.allclose(
        TwoRoomArena(doors).step(flip[0] + flip[1] * start, flip[1] * actions), flip[0] + flip[1] * end
    )
    upside_down = TwoRoomArena([(224 - centre, half) for centre, half in doors])
    flip = np.array([0.0, 224.0]), np.array([1.0, -1.0])
    turned = upside_down.step(flip[0] + flip[1] * start, flip[1] * actions)
    close = np.isclose(turned, flip[0] + flip[1] * end).all(axis=-1)
    assert (
        close.mean() > 0.999
    )  # a rounded bound may decide otherwise for a start exactly at a passage's edge


def test_axes_broadcast_and_rows_are_independent():
    arena, rng = TwoRoomArena(), np.random.default_rng(2)
    start = reference.start_positions(arena.doors, rng, 5)
    actions = rng.uniform(-1, 1, (5, 7, 3, 2)).astype(np.float32)
    together = arena.step(start[:, None, None], actions)
    assert together.shape == (5, 7, 3, 2)
    assert together.dtype == np.float32
    for index in np.ndindex(5, 7, 3):
        assert np.array_equal(arena.step(start[index[0]], actions[index]), together[index])
    assert arena.step(np.zeros((0, 2)), np.zeros((0, 2))).shape == (0, 2)


def test_step_changes_no_argument():
    start, action = np.array([[98.0, 58.0]]), np.array([[3.0, -1.0]])
    TwoRoomArena().step(start, action)
    assert start.tolist() == [[98, 58]]
    assert action.tolist() == [[3, -1]]


def test_overlapping_doors_are_one_opening():
    assert TwoRoomArena([(60, 20), (80, 10), (150, 9)]).openings == ((40, 90), (141, 159))
    assert TwoRoomArena([(60, 20), (80, 10)]).passages == ((47, 83),)


def test_reached_is_a_closed_disc_of_16_units():
    arena = TwoRoomArena()
    goals = np.array([60.0, 60.0])
    assert arena.reached(np.array([[76, 60], [60, 44], [76.001, 60], [71.4, 71.4]]), goals).tolist() == [
        True,
        True,
        False,
        False,
    ]
