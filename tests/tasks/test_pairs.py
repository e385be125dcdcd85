"""Which pairs the protocols draw."""

import numpy as np
import pytest

from leworld.data import collect
from leworld.envs import TwoRoomArena, TwoRoomVector
from leworld.evaluation import GoalPairs
from leworld.tasks import ExpertPolicy, two_room_held_out, two_room_pairs

ARENAS = {
    "usual": TwoRoomArena(),
    "low door": TwoRoomArena([(180.0, 10.0)]),
    "three doors": TwoRoomArena([(40.0, 12.0), (112.0, 12.0), (190.0, 12.0)]),
}


def _pairs(distance: list[float]) -> GoalPairs:
    start = np.zeros((len(distance), 2), dtype=np.float32)
    goal = np.stack([np.array(distance), np.zeros(len(distance))], axis=1).astype(np.float32)
    return GoalPairs(
        start=start, goal=goal, protocol="by hand", budget=50, success_radius=16.0, num_presolved=1
    )


@pytest.mark.parametrize("name", ARENAS)
def test_same_room(name):
    arena = ARENAS[name]
    pairs = two_room_pairs("same-room", 400, arena=arena)
    apart = np.linalg.norm(pairs.start - pairs.goal, axis=1)
    assert len(pairs) == 400
    assert apart.min() >= 40.0
    assert apart.max() <= 110.0
    assert apart.min() < 45.0
    assert apart.max() > 105.0
    assert ((pairs.start[:, 0] < arena.wall) == (pairs.goal[:, 0] < arena.wall)).all()
    assert arena.is_free(pairs.start).all()
    assert arena.is_free(pairs.goal).all()
    assert pairs.budget == 50
    assert pairs.num_presolved == 0
    # Both rooms equally: 400 fair coins, false alarm 1e-6 beyond 4.9 standard deviations of 10.
    assert abs(int((pairs.start[:, 0] < arena.wall).sum()) - 200) < 49


@pytest.mark.parametrize("name", ARENAS)
def test_cross_door(name):
    arena = ARENAS[name]
    pairs = two_room_pairs("cross-door", 300, arena=arena)
    assert ((pairs.start[:, 0] < arena.wall) != (pairs.goal[:, 0] < arena.wall)).all()
    doors = np.array([(arena.wall, centre) for centre, _ in arena.doors])
    reach = [np.linalg.norm(points[:, None] - doors, axis=2) <= 50.0 for points in (pairs.start, pairs.goal)]
    assert (reach[0] & reach[1]).any(axis=1).all()
    assert arena.is_free(pairs.start).all()
    assert arena.is_free(pairs.goal).all()
    assert np.linalg.norm(pairs.start - pairs.goal, axis=1).min() >= 24.0
    assert pairs.unsolved().num_presolved == 0


@pytest.mark.parametrize("protocol", ["same-room", "cross-door"])
def test_the_seed_decides(protocol):
    first, again, other = (two_room_pairs(protocol, 20, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first.start, again.start)
    assert np.array_equal(first.goal, again.goal)
    assert not np.array_equal(first.start, other.start)
    fewer = two_room_pairs(protocol, 5)
    assert np.array_equal(fewer.start, first.start[:5])


def test_unsolved_counts_what_it_leaves_out():
    kept = _pairs([15.9, 16.0, 16.1, 30.0, 0.0]).unsolved()
    assert np.allclose(kept.goal[:, 0], [16.1, 30.0])
    assert kept.num_presolved == 4
    assert kept.protocol == "by hand"
    assert kept.budget == 50
    assert kept.success_radius == 16.0
    assert kept.unsolved().num_presolved == 4


def test_trajectory_pairs_of_two_room_are_reachable():
    episodes = two_room_held_out(30, image_size=16)
    pairs = two_room_pairs("trajectory-25", 30, episodes=episodes)
    assert pairs.protocol == "trajectory-25"
    assert pairs.budget == 50
    assert pairs.success_radius == 16.0
    moved = np.abs(pairs.start - pairs.goal).max(axis=1)
    assert moved.max() <= 25 * 5.0
    assert (np.linalg.norm(pairs.start - pairs.goal, axis=1) > 16.0).all()


def test_held_out_episodes_share_nothing_with_training_episodes():
    held_out = two_room_held_out(12, image_size=8, seed=0)
    again = two_room_held_out(12, image_size=8, seed=0)
    assert np.array_equal(held_out.columns["state"], again.columns["state"])
    assert held_out.environment_id == "leworld/TwoRoom-v0"
    starts = {tuple(row) for row in held_out.columns["state"][held_out.offsets].tolist()}
    assert len(starts) == 12
    others = [two_room_held_out(12, image_size=8, seed=1)]
    # Training data of the same and of neighbouring seeds, gathered in the same way.
    for seed in range(5):
        env = TwoRoomVector(10, image_size=8)
        others.append(collect(env, ExpertPolicy(), num_episodes=30, seed=seed, progress=False))
    for episodes in others:
        known = {tuple(row) for row in episodes.columns["state"][episodes.offsets].tolist()}
        assert not starts & known
