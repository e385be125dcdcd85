import copy

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from leworld.envs import TwoRoom, TwoRoomArena, TwoRoomVector
from leworld.tasks import ExpertPolicy


def test_gymnasiums_checker_has_no_complaint():
    check_env(gymnasium.make("leworld/TwoRoom-v0", render_mode="rgb_array").unwrapped)
    check_env(gymnasium.make("leworld/TwoRoom-v0", image_size=17, doors=[(60, 9), (150, 12)]).unwrapped)


def test_made_environments_stop_after_100_steps():
    env = gymnasium.make("leworld/TwoRoom-v0")
    env.reset(seed=0, options={"state": [30, 30], "goal": [200, 200]})
    for step in range(1, 101):
        *_, terminated, truncated, _ = env.step(np.zeros(2, np.float32))
        assert (terminated, truncated) == (False, step == 100)


def test_goals_and_starts_lie_in_different_rooms_and_fill_them():
    _, info = TwoRoomVector(4000, image_size=1).reset(seed=0)
    state, goal = info["state"].astype(float), info["goal"].astype(float)
    assert ((state[:, 0] < 112) != (goal[:, 0] < 112)).all()
    for points in (state, goal):
        assert not ((points[:, 0] > 100) & (points[:, 0] < 124)).any()
        within = np.abs(points[:, 0] - 112) - 12  # uniform on [0, 79]
        for draws, width in ((within / 79, 1), ((points[:, 1] - 21) / 182, 1)):
            # 5 standard errors of the mean of a uniform: one false alarm in 1.7 million
            assert abs(draws.mean() - 0.5) < 5 * width / np.sqrt(12 * 4000)
            assert draws.min() >= 0
            assert draws.max() <= 1
            assert draws.max() - draws.min() > 0.99
    assert abs((state[:, 0] < 112).mean() - 0.5) < 5 * 0.5 / np.sqrt(4000)


def test_options_set_state_and_goal_and_pixels_show_them():
    env, arena = TwoRoom(image_size=48), TwoRoomArena()
    pixels, info = env.reset(seed=3, options={"state": [112, 49], "goal": [30, 40]})
    assert info["state"].tolist() == [112, 49]
    assert info["goal"].tolist() == [30, 40]
    assert np.array_equal(pixels, arena.render(np.array([112.0, 49.0]), 48))
    assert np.array_equal(info["goal_pixels"], arena.render(np.array([30.0, 40.0]), 48))
    _, info = env.reset(options={"state": [150, 40]})
    assert info["goal"][0] <= 100
    _, info = env.reset(options={"goal": [150, 40]})
    assert info["state"][0] <= 100


def test_an_episode_restarts_from_a_recorded_state_to_the_bit():
    env, rng = TwoRoom(), np.random.default_rng(0)
    _, info = env.reset(seed=5)
    actions = rng.uniform(-1, 1, (80, 2)).astype(np.float32)
    states = [info["state"]] + [env.step(action)[-1]["state"] for action in actions]
    env.reset(options={"state": states[40], "goal": info["goal"]})
    again = [env.step(action)[-1]["state"] for action in actions[40:]]
    assert np.array_equal(states[41:], again)


def test_reward_and_termination_come_with_the_goal():
    env = TwoRoom()
    env.reset(options={"state": [60, 60], "goal": [80, 60]})
    seen = [env.step(np.array([0.5, 0], np.float32))[1:3] for _ in range(3)]
    assert seen == [(0.0, False), (1.0, True), (1.0, True)]  # 17.5, 15, 12.5 units away


def test_render_shows_the_goal_and_needs_a_mode():
    env = TwoRoom(render_mode="rgb_array")
    env.reset(options={"state": [60, 60], "goal": [160, 160]})
    picture = env.render()
    assert picture is not None
    assert picture.shape == (224, 224, 3)
    assert picture[160, 160].tolist() == [0, 160, 0]
    assert TwoRoom().render() is None
    envs = TwoRoomVector(2, render_mode="rgb_array")
    envs.reset(options={"state": [[60, 60]] * 2, "goal": [[160, 160]] * 2})
    pictures = envs.render()
    assert pictures is not None
    assert len(pictures) == 2
    assert np.array_equal(pictures[1], picture)


@pytest.mark.parametrize("mode", AutoresetMode)
def test_a_mode_is_told_as_the_enum_its_value_or_its_name(mode):
    for said in (mode, mode.value, mode.name, mode.name.lower(), mode.value.lower()):
        assert TwoRoomVector(2, image_size=4, autoreset_mode=said).metadata["autoreset_mode"] is mode


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_the_vector_equals_gymnasiums_own_of_single_environments(mode):
    ours = gymnasium.make_vec(
        "leworld/TwoRoom-v0", num_envs=7, image_size=16, max_episode_steps=43, autoreset_mode=mode
    )
    theirs = SyncVectorEnv(
        [lambda: gymnasium.make("leworld/TwoRoom-v0", image_size=16, max_episode_steps=43)] * 7,
        autoreset_mode=mode,
    )
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    assert ours.metadata["autoreset_mode"] is mode
    policy = ExpertPolicy(noise_std=0.2)
    got, expected = ours.reset(seed=11), theirs.reset(seed=11)
    ends = 0
    for _ in range(150):
        assert np.array_equal(got[0], expected[0])
        for mine, yours in zip(got[1:-1], expected[1:-1], strict=True):
            assert mine.dtype == yours.dtype
            assert np.array_equal(mine, yours)
        same_info(got[-1], expected[-1])
        actions = policy(got[-1])
        got, expected = ours.step(actions), theirs.step(actions)
        ends += int(got[2].sum())
    assert ends > 10


def same_info(mine: dict, yours: dict) -> None:
    assert mine.keys() == yours.keys()
    for key in ("state", "goal", "goal_pixels"):
        assert np.array_equal(mine[key], yours[key])
        assert mine[f"_{key}"].all()
    if "final_obs" in mine:
        over = yours["_final_obs"]
        assert np.array_equal(mine["_final_obs"], over)
        assert np.array_equal(mine["_final_info"], over)
        for index in range(len(over)):
            if over[index]:
                assert np.array_equal(mine["final_obs"][index], yours["final_obs"][index])
            else:
                assert mine["final_obs"][index] is None
        for key in ("state", "goal", "goal_pixels"):
            assert np.array_equal(mine["final_info"][key][over], yours["final_info"][key][over])


def test_without_autoreset_everything_moves_on():
    envs = TwoRoomVector(2, max_episode_steps=4, autoreset_mode="Disabled", image_size=8)
    envs.reset(seed=0, options={"state": [[60, 60], [60, 60]], "goal": [[82, 60], [60, 150]]})
    seen = [envs.step(np.array([[1, 0], [1, 0]], np.float32)) for _ in range(9)]
    assert [step[2].tolist() for step in seen[:3]] == [[False, False], [True, False], [True, False]]
    assert [bool(step[2][0]) for step in seen] == [False] + [True] * 6 + [False] * 2
    assert [bool(step[3][1]) for step in seen] == [False] * 3 + [True] * 6
    assert seen[-1][-1]["state"].tolist() == [[100, 60], [100, 60]]
    assert seen[-1][-1]["goal"].tolist() == [[82, 60], [60, 150]]


def test_a_mask_resets_some_environments_only():
    envs = TwoRoomVector(3, autoreset_mode="Disabled", max_episode_steps=5, image_size=8)
    envs.reset(seed=0)
    *_, before = envs.step(np.full((3, 2), 0.5, np.float32))
    options = {"reset_mask": np.array([True, False, False]), "state": np.full((3, 2), 60.0)}
    kept = copy.deepcopy(options)
    _, after = envs.reset(options=options)
    assert np.array_equal(options["reset_mask"], kept["reset_mask"])
    assert after["state"][0].tolist() == [60, 60]
    assert np.array_equal(after["state"][1:], before["state"][1:])
    assert np.array_equal(after["goal"][1:], before["goal"][1:])
    truncated = [envs.step(np.zeros((3, 2), np.float32))[3].tolist() for _ in range(5)]
    assert truncated[3] == [False, True, True]
    assert truncated[4] == [True, True, True]


def test_no_limit_and_seeds_one_by_one():
    envs = TwoRoomVector(2, max_episode_steps=None, autoreset_mode="Disabled", image_size=4)
    _, first = envs.reset(seed=[5, 9])
    for _ in range(150):
        *_, truncated, _ = envs.step(np.zeros((2, 2), np.float32))
    assert not truncated.any()
    for index, seed in enumerate((5, 9)):
        _, info = TwoRoom().reset(seed=seed)
        assert np.array_equal(info["state"], first["state"][index])
    _, again = envs.reset(seed=[5, 9])
    assert np.array_equal(again["goal"], first["goal"])
    _, other = envs.reset(seed=6)
    assert not np.array_equal(other["goal"], first["goal"])


def test_what_is_returned_is_the_callers_own():
    envs = TwoRoomVector(2, image_size=8)
    _, info = envs.reset(seed=0)
    kept = copy.deepcopy(info)
    for value in info.values():
        value[:] = 0
    *_, later = envs.step(np.zeros((2, 2), np.float32))
    for key in ("state", "goal", "goal_pixels"):
        assert np.array_equal(later[key], kept[key])


def test_gymnasiums_vector_wrappers_work():
    envs = gymnasium.wrappers.vector.RecordEpisodeStatistics(
        gymnasium.make_vec("leworld/TwoRoom-v0", num_envs=4, image_size=8, max_episode_steps=3)
    )
    envs.reset(seed=0)
    for _ in range(3):
        *_, info = envs.step(np.zeros((4, 2), np.float32))
    assert info["episode"]["l"].tolist() == [3] * 4


def test_enormous_actions_are_clipped_like_large_ones() -> None:
    """1e308 is beyond float32, in which an agent moves."""
    for make in (TwoRoom, TwoRoomVector):
        ends = []
        for size in (1e308, 2.0, np.longdouble(1e30)):
            env = make()
            env.reset(seed=2)
            action = np.array([size, -size]) if make is TwoRoom else np.array([[size, -size]])
            ends.append(env.step(action)[-1]["state"])
        assert np.array_equal(ends[0], ends[1])
        assert np.array_equal(ends[0], ends[2])
