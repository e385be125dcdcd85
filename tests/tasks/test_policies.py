import numpy as np
import pytest
from scipy import stats

from leworld.envs import TwoRoomArena
from leworld.tasks import ExpertPolicy
from tests.envs import reference

FALSE_ALARM = 1e-6


@pytest.mark.parametrize("doors", [((49, 14),), ((49, 7.5),), ((40, 10), (150, 9)), ((112, 98),)])
def test_without_noise_the_expert_reaches_every_goal(doors):
    rng, arena = np.random.default_rng(0), TwoRoomArena(doors)
    info = {
        "state": reference.start_positions(doors, rng, 3000),
        "goal": reference.start_positions(doors, rng, 3000)[rng.permutation(3000)],
    }
    policy = ExpertPolicy(arena, noise_std=0.0, repeat_probability=0.0)
    reached = arena.reached(info["state"], info["goal"])
    for _ in range(120):
        info["state"] = arena.step(info["state"], policy(info))
        reached |= arena.reached(info["state"], info["goal"])
    assert reached.all()


def test_the_way_leads_straight_to_the_door_then_to_the_goal():
    policy = ExpertPolicy(noise_std=0.0, repeat_probability=0.0)
    goal = [180.0, 150.0]
    ways = {
        (60.0, 49.0): (1.0, 0.0),
        (93.0, 149.0): (0.0, -1.0),
        (112.0, 49.0): (1.0, 0.0),
        (150.0, 110.0): (0.6, 0.8),
    }
    info = {"state": np.array(list(ways)), "goal": np.tile(goal, (len(ways), 1))}
    assert np.allclose(policy(info), list(ways.values()), atol=1e-6)


def test_the_shorter_way_decides_between_doors():
    arena = TwoRoomArena([(40, 10), (180, 10)])
    policy = ExpertPolicy(arena, noise_std=0.0)
    info = {"state": np.array([[93.0, 100.0]] * 2), "goal": np.array([[131.0, 100.0], [131.0, 130.0]])}
    assert np.allclose(policy(info), [[0, -1], [0, 1]], atol=1e-6)


def test_noise_is_normal_with_the_given_std_and_clipped():
    policy = ExpertPolicy(repeat_probability=0.0)
    info = {"state": np.tile([60.0, 60.0], (40000, 1)), "goal": np.tile([90.0, 100.0], (40000, 1))}
    actions = policy(info)
    assert np.abs(actions).max() <= 1
    assert actions.dtype == np.float32
    for axis, mean in ((0, 0.6), (1, 0.8)):
        for bound, share in ((1, stats.norm.sf((1 - mean) / 2)), (-1, stats.norm.cdf((-1 - mean) / 2))):
            count = int((actions[:, axis] == bound).sum())
            assert stats.binomtest(count, 40000, share).pvalue > FALSE_ALARM
        between = actions[np.abs(actions[:, axis]) < 1, axis]
        law = stats.truncnorm((-1 - mean) / 2, (1 - mean) / 2, loc=mean, scale=2)
        assert stats.kstest(between, law.cdf).pvalue > FALSE_ALARM


def test_the_previous_action_is_repeated_with_the_given_probability():
    policy = ExpertPolicy(noise_std=0.01)
    info = {"state": np.tile([60.0, 60.0], (5000, 1)), "goal": np.tile([90.0, 90.0], (5000, 1))}
    first, second, third = policy(info), policy(info), policy(info)
    for before, after in ((first, second), (second, third)):
        same = (before == after).all(axis=-1)
        assert stats.binomtest(int(same.sum()), 5000, 0.05).pvalue > FALSE_ALARM
        assert not ((before == after).any(axis=-1) & ~same).any()  # both components or none


def test_a_seed_repeats_and_another_does_not():
    info = {"state": np.tile([60.0, 60.0], (4, 1)), "goal": np.tile([90.0, 90.0], (4, 1))}
    policy = ExpertPolicy(seed=3)
    first = [policy(info) for _ in range(30)]
    policy.reset(3)
    assert np.array_equal(first, [policy(info) for _ in range(30)])
    policy.reset(4)
    assert not np.array_equal(first, [policy(info) for _ in range(30)])
    assert np.array_equal(first, [p(info) for p in [ExpertPolicy(seed=3)] for _ in range(30)])


def test_a_returned_action_is_the_callers_own():
    policy = ExpertPolicy(noise_std=0.0, repeat_probability=1.0)
    info = {"state": np.array([[60.0, 60.0]]), "goal": np.array([[90.0, 60.0]])}
    policy(info)[:] = 0.5
    assert policy(info).tolist() == [[1.0, 0.0]]


def test_one_environment_without_a_leading_axis():
    info = {"state": np.array([60.0, 60.0]), "goal": np.array([90.0, 60.0])}
    assert ExpertPolicy(noise_std=0.0)(info).tolist() == [1.0, 0.0]
    standing = {"state": np.array([60.0, 60.0]), "goal": np.array([60.0, 60.0])}
    assert ExpertPolicy(noise_std=0.0)(standing).tolist() == [0.0, 0.0]
