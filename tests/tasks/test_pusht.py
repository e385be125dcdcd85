"""Push-T as a task: protocols, the collecting policy's reach, and rules that are held."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("pymunk")
from leworld.envs import PushTArena
from leworld.evaluation import GoalPairs
from leworld.tasks import get_task
from leworld.tasks.pusht._pusher import Pusher

TASK = get_task("pusht")


@pytest.fixture(scope="module")
def episodes():
    return TASK.held_out(40, seed=3, image_size=8)


@pytest.mark.parametrize(
    ("protocol", "budget", "held"),
    [("trajectory-25", 50, 1), ("strict-25", 50, 3), ("trajectory-75", 150, 1)],
)
def test_protocols(episodes, protocol, budget, held):
    pairs = TASK.pairs(protocol, 12, episodes=episodes, seed=1)
    assert (pairs.protocol, pairs.budget, pairs.hold_steps) == (protocol, budget, held)
    assert not pairs.reached(pairs.start, pairs.goal).any()


def test_criteria_differ_where_they_should(episodes):
    goal = np.array([[100.0, 100, 250, 250, 0.1, 0, 0]], np.float32)
    near = goal + np.array([0, 15, 0, 9, 0.15, 50, 50], np.float32)  # 17.5 px away and 8.6 degrees
    away = goal + np.array([0, 40, 0, 9, 0.15, 0, 0], np.float32)
    published, block, strict = (
        TASK.pairs(f"{kind}-25", 5, episodes=episodes) for kind in ("trajectory", "block", "strict")
    )
    assert [pairs.reached(near, goal).item() for pairs in (published, block, strict)] == [True] * 3
    assert [pairs.reached(away, goal).item() for pairs in (published, block, strict)] == [False, True, True]
    turned = goal + np.array([0, 0, 0, 0, 0.3, 0, 0], np.float32)  # 17 degrees
    assert [pairs.reached(turned, goal).item() for pairs in (published, strict)] == [True, False]
    assert "three" not in strict.words
    assert "for 3 steps in a row" in strict.words


def test_a_goal_that_has_to_be_held():
    start, goal = np.zeros((1, 1), np.float32), np.ones((1, 1), np.float32)
    pairs = GoalPairs(start=start, goal=goal, protocol="hold", budget=9, success_radius=0.1, hold_steps=3)
    near = np.array([[1, 1, 0, 1, 1, 1, 1, 0, 1]], bool)
    assert pairs.held(near).astype(int).tolist() == [[0, 0, 0, 0, 0, 1, 1, 0, 0]]
    assert replace(pairs, hold_steps=1).held(near).tolist() == near.tolist()


def test_the_data_push_turn_and_go_round(episodes):
    states = episodes.columns["state"].reshape(40, -1, 7).astype(np.float64)
    moved = np.linalg.norm(np.diff(states[..., 2:4], axis=1), axis=-1)
    turned = np.abs((np.diff(states[..., 4], axis=1) + np.pi) % (2 * np.pi) - np.pi)
    assert 0.25 < ((moved > 0.05) | (turned > 1e-3)).mean() < 0.7
    assert turned.sum(axis=1).mean() > 1.0  # rad an episode
    seen, _ = np.histogram(states[..., 4], bins=8, range=(0, 2 * np.pi))
    assert seen.min() > 0.02 * seen.sum()
    assert (np.abs(states[..., 2:4] - 256) < 260).all()
    # Contacts come from all around the block.
    agent = states[:, 1:, :2] - states[:, 1:, 2:4]
    side = np.arctan2(agent[..., 1], agent[..., 0]) - states[:, 1:, 4]
    sides, _ = np.histogram(side[moved > 0.05] % (2 * np.pi), bins=8, range=(0, 2 * np.pi))
    assert sides.min() > 0.02 * sides.sum()


def test_the_policy_follows_from_its_seed_and_states():
    states = np.tile(np.array([100.0, 100, 256, 256, 0.5, 0, 0]), (3, 1))
    first, second, other = Pusher(), Pusher(), Pusher()
    for policy, seed in ((first, 4), (second, 4), (other, 5)):
        policy.reset(seed)
    for _ in range(30):
        action = first({"state": states})
        assert np.array_equal(action, second({"state": states}))
    assert action.dtype == np.float32
    assert not np.array_equal(action, other({"state": states}))


def test_an_agent_goes_round_the_block_to_push_it():
    """From every side it gets to push within the patience of an errand."""
    arena, policy = PushTArena(), Pusher(push_share=1.0, visit_share=0.0)
    policy.reset(0)
    around = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    states = np.array([[256 + 150 * np.cos(a), 256 + 150 * np.sin(a), 256, 220, 0.3, 0, 0] for a in around])
    begun = states[:, 2:5].copy()
    for _ in range(60):
        states = arena.step(states, policy({"state": states}))
    assert (np.abs(states[:, 2:5] - begun).max(axis=1) > 1).mean() > 0.8


def test_the_oracle_beats_chance():
    from leworld.control import RandomPolicy
    from leworld.evaluation import goal_reaching
    from leworld.planners import CEMPlanner

    pairs = TASK.pairs("trajectory-25", 1, seed=0)
    policies = {"oracle": TASK.oracle(CEMPlanner(), frameskip=5), "random": RandomPolicy(2)}
    played = goal_reaching(pairs, policies, env=TASK.make(1, 8), progress=False).policies
    assert played["oracle"].mean_final_distance < 0.5 * played["random"].mean_final_distance


def test_episodes_start_with_the_block_near_the_middle(episodes):
    starts = episodes.columns["state"][episodes.offsets]
    assert (np.abs(starts[:, 2:4] - 256) <= 50).all()
    assert np.ptp(starts[:, 2:4], axis=0).min() > 60
    assert np.ptp(starts[:, :2], axis=0).min() > 250
    again = TASK.held_out(40, seed=3, image_size=8)
    assert np.array_equal(again.columns["state"], episodes.columns["state"])
