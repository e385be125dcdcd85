import hashlib
import math
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv

pytest.importorskip("pymunk")
from leworld.envs import PushT, PushTDrawing, PushTSuccess, PushTVector

START = [256, 420, 256, 256, math.pi / 4, 0, 0]
NEAR = [256, 400, 256, 250, math.pi / 4 + 0.2, 0, 0]
FAR = [400, 100, 150, 400, 2.0, 0, 0]
CHOICES = [(1, 0), (-1, 0), (0, 1), (0, -1), (0, 0)]
KEYS = ("state", "goal", "goal_pixels", "proprio", "goal_proprio")


def test_gymnasiums_checker_has_no_complaint():
    block = PushTSuccess(agent_counts=False)
    check_env(gymnasium.make("leworld/PushT-v0", render_mode="rgb_array").unwrapped)
    check_env(gymnasium.make("leworld/PushT-v0", image_size=17, action_choices=CHOICES).unwrapped)
    check_env(gymnasium.make("leworld/PushT-v0", image_size=8, clip_agent=True, success=block).unwrapped)


def test_starts_and_goals_fill_what_the_published_versions_draw_from():
    _, info = PushTVector(400, image_size=1).reset(seed=0)
    for states in (info["state"], info["goal"]):
        for values, low, high in ((states[:, 0], 50, 450), (states[:, 1], 50, 450)):
            assert low <= values.min() < low + 20
            assert high - 20 < values.max() < high
        assert abs(states[:, 4].mean() - math.pi) < 5 * 2 * math.pi / math.sqrt(12 * 400)
        assert ((states[:, 4] >= 0) & (states[:, 4] < 2 * math.pi)).all()
        # One sub-step pushes blocks out of walls and agents a little.
        assert np.abs(states[:, 2:4] - 250).max() < 160
        assert not states[:, 5:].any()


def test_options_set_states_exactly_and_pixels_show_them():
    env = PushT(48)
    pixels, info = env.reset(seed=3, options={"state": [*START[:5], 20, -10], "goal": FAR})
    assert info["state"].tolist() == [*START[:5], 20, -10]
    assert info["goal"].tolist() == FAR
    assert info["proprio"].tolist() == [256, 420, 20, -10]
    assert info["goal_proprio"].tolist() == [400, 100, 0, 0]
    drawing = PushTDrawing(48)
    assert np.array_equal(pixels, drawing.render(info["state"]))
    assert np.array_equal(info["goal_pixels"], drawing.render(info["goal"]))
    _, turned = env.reset(options={"state": [*START[:4], -math.pi / 2, 0, 0]})
    assert abs(turned["state"][4] - 1.5 * math.pi) < 1e-9
    kept = env.reset(seed=3, options={"state": START})[1]["goal"]
    assert np.array_equal(kept, env.reset(seed=3)[1]["goal"])  # a start that is set costs no other draw


def test_reward_and_termination_follow_the_criterion():
    for success, expected in (
        (None, [False, False, True]),
        (PushTSuccess(agent_counts=False), [True, True, True]),
        (PushTSuccess(3.0, math.radians(5), agent_counts=False), [False] * 3),
    ):
        env = PushT(8, success=success)
        env.reset(options={"state": [256, 470, *NEAR[2:]], "goal": [256, 410, 256, 256, NEAR[4] - 0.1, 0, 0]})
        seen = [env.step(np.array([0, -0.55], np.float32))[1:3] for _ in range(3)]
        assert seen == [(float(flag), flag) for flag in expected]


def test_the_angle_wraps_in_the_criterion():
    goal = np.array([0, 0, 0, 0, 0.1, 0, 0.0])
    states = goal + np.array([[0, 0, 0, 0, turn, 0, 0] for turn in (0.34, -0.34, 6.0, 0.36, math.pi, 12.5)])
    assert PushTSuccess().reached(states, goal).tolist() == [True, True, True, False, False, True]
    moved = goal + np.array([[19, 0, 5, 0, 0, 0, 0], [19, 0, 7, 0, 0, 0, 0], [0, 0, 0, 20, 0, 9, 9.0]])
    assert PushTSuccess().reached(moved, goal).tolist() == [True, False, False]


def test_discrete_actions_stand_for_their_pairs():
    env, plain = PushT(8, action_choices=CHOICES), PushT(8)
    assert env.action_space == gymnasium.spaces.Discrete(5)
    envs = PushTVector(3, image_size=8, action_choices=np.array(CHOICES))
    assert envs.action_space.shape == (3,)
    for one in (env, plain, envs):
        one.reset(seed=1, options={"state": START if one is not envs else [START] * 3})
    for number in (3, 3, 0, 4, 2):
        expected = plain.step(np.array(CHOICES[number], np.float32))[-1]["state"]
        assert np.array_equal(env.step(number)[-1]["state"], expected)
        assert np.array_equal(envs.step(np.full(3, number))[-1]["state"], [expected] * 3)


def test_the_agent_leaves_the_picture_unless_it_is_clipped():
    for clip in (False, True):
        env = PushT(8, clip_agent=clip)
        env.reset(options={"state": [30, 256, 400, 256, 0, 0, 0]})
        for _ in range(6):
            state = env.step(np.array([-1, 0.5], np.float32))[-1]["state"]
        assert (state[0] > -15) == clip
        assert state[1] > 300


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_the_vector_equals_gymnasiums_own_of_single_environments(mode):
    ours = gymnasium.make_vec(
        "leworld/PushT-v0", num_envs=3, image_size=16, max_episode_steps=7, autoreset_mode=mode
    )
    theirs = SyncVectorEnv(
        [lambda: gymnasium.make("leworld/PushT-v0", image_size=16, max_episode_steps=7)] * 3,
        autoreset_mode=mode,
    )
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    rng = np.random.default_rng(0)
    got, expected = ours.reset(seed=11), theirs.reset(seed=11)
    for _ in range(20):
        for mine, yours in zip(got[:-1], expected[:-1], strict=True):
            assert np.array_equal(mine, yours)
        assert got[-1].keys() == expected[-1].keys()
        for key in KEYS:
            assert np.array_equal(got[-1][key], expected[-1][key]), key
        if "final_info" in got[-1]:
            for key in KEYS:
                assert np.array_equal(got[-1]["final_info"][key], expected[-1]["final_info"][key])
        actions = rng.uniform(-1, 1, (3, 2)).astype(np.float32)
        got, expected = ours.step(actions), theirs.step(actions)


SCRIPT = """
import hashlib
import numpy as np
from leworld.envs import PushTVector

def digest(first, count, steps):
    \"\"\"Trajectories and pictures of copies of a larger vector, under random and adversarial actions.\"\"\"
    envs = PushTVector(count, image_size=8, max_episode_steps=None, autoreset_mode="Disabled")
    pixels, info = envs.reset(seed=[100 + first + i for i in range(count)])
    rngs = [np.random.default_rng(first + i) for i in range(count)]
    hashes = [hashlib.sha256() for _ in rngs]
    finite = True
    for step in range(steps):
        scales = [1, 1, 1, 1, 1, 1, 3, 1, 1, 1000 if step > 3 * steps // 4 else 1]
        actions = np.stack([r.uniform(-1, 1, 2) * scales[step % 10] for r in rngs])
        if step % 7 == 0:
            actions = np.sign(actions)
        pixels, _, _, _, info = envs.step(actions)
        finite = finite and np.isfinite(info["state"]).all()
        for h, state, picture in zip(hashes, info["state"], pixels):
            h.update(state.tobytes() + picture.tobytes())
    return finite, [h.hexdigest() for h in hashes]
"""


def test_ten_thousand_actions_are_finite_deterministic_and_equal_over_processes():
    place: dict = {}
    exec(SCRIPT, place)
    finite, together = place["digest"](0, 20, 500)
    assert finite
    code = SCRIPT + "\nprint(*digest(13, 7, 500)[1])"
    apart = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert apart.stdout.split() == together[13:]
    assert len(set(together)) == 20
    assert hashlib.sha256().hexdigest() not in together


def test_a_mask_and_no_limit():
    envs = PushTVector(3, image_size=8, max_episode_steps=None, autoreset_mode="Disabled")
    envs.reset(seed=0)
    *_, before = envs.step(np.full((3, 2), 0.5, np.float32))
    options = {"reset_mask": np.array([True, False, False]), "state": np.array([START] * 3)}
    _, after = envs.reset(options=options)
    assert after["state"][0].tolist() == START
    assert np.array_equal(after["state"][1:], before["state"][1:])
    assert np.array_equal(after["goal"][1:], before["goal"][1:])
    assert not np.array_equal(after["goal"][0], before["goal"][0])


def test_render_is_the_published_picture():
    env = PushT(8, render_mode="rgb_array", show_goal=False)
    _, info = env.reset(seed=0)
    expected = PushTDrawing(224, show_goal=False).render(info["state"])
    assert np.array_equal(env.render(), expected)
    envs = PushTVector(2, image_size=8, render_mode="rgb_array", show_goal=False)
    envs.reset(seed=0)
    pictures = envs.render()
    assert pictures is not None
    assert np.array_equal(pictures[0], expected)
    assert PushT(8).render() is None


def test_what_is_returned_is_the_callers_own():
    envs, env = PushTVector(1, image_size=8), PushT(8)
    for one in (envs, env):
        _, info = one.reset(seed=0)
        kept = {key: info[key].copy() for key in KEYS}
        for key in KEYS:
            info[key][:] = 0
        rest = np.zeros((1, 2) if one is envs else 2, np.float32)
        *_, later = one.step(rest)
        for key in ("goal", "goal_pixels", "goal_proprio"):
            assert np.array_equal(later[key], kept[key])
        assert np.abs(later["state"] - kept["state"]).max() < 20
