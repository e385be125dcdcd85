"""Cameras, vectors, rewards, ends and choices, all the way from an environment to a batch."""

import dataclasses
import pickle

import gymnasium
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from leworld.data import (
    Episodes,
    Observation,
    RawBatch,
    Windows,
    collect,
    fit_processor,
    to_batch,
)
from leworld.errors import ConfigError, DataError
from tests.data.fakes import TwoCameraEnv, sensing_episodes, tagged_episodes

MODES = (None, "NextStep", "SameStep")


def environment(mode: str | None, **options) -> gymnasium.Env | gymnasium.vector.VectorEnv:
    if mode is None:
        return TwoCameraEnv(**options)
    # gymnasium itself keeps the last frames of a same-step environment without a copy.
    options["reuse"] = mode != "SameStep"
    return gymnasium.vector.SyncVectorEnv([lambda: TwoCameraEnv(**options)] * 2, autoreset_mode=mode)


def policy(env, answer):
    """A policy that returns `answer`, once or for every copy."""
    return lambda info: np.array([answer] * env.num_envs) if hasattr(env, "num_envs") else np.array(answer)


@pytest.mark.parametrize("mode", MODES)
def test_collect_keeps_everything_that_is_shown(mode: str | None) -> None:
    env = environment(mode)
    data = collect(
        env, policy(env, [0.5, 0.25]), num_episodes=4, seed=3, columns=["position"], progress=False
    )
    assert set(data.columns) == {"wrist", "proprio", "position", "reward", "terminated", "truncated"}
    assert (data.fps, data.action_choices) == (25.0, None)
    assert data.lengths.tolist() == [6] * 4
    steps = np.tile(np.arange(6), 4)
    assert data.pixels[:, 3, 4, 1].tolist() == steps.tolist()
    assert data.columns["wrist"][:, 1, 2, 0].tolist() == (100 + steps).tolist()
    proprio = data.columns["proprio"]
    assert proprio[:, 1].tolist() == steps.tolist()
    np.testing.assert_array_equal(data.columns["position"][:, 0], proprio[:, 0])
    copies = 1 if mode is None else 2
    assert proprio[::6, 2].tolist() == [episode // copies for episode in range(4)]
    for index in range(4):
        rows = data.rows(index)
        reward, ended = data.columns["reward"][rows], data.columns["terminated"][rows]
        assert np.isnan(reward[-1])
        assert reward[:-1].tolist() == [0.25] * 5  # the environment halves the action before it moves
        assert data.actions[rows][:-1].tolist() == [[0.5, 0.25]] * 5
        np.testing.assert_allclose(np.diff(proprio[rows][:, 0]), reward[:-1], atol=1e-12)
        by_itself = (index // copies) % 2 == 0
        assert ended.tolist() == [False] * 5 + [by_itself]
        assert data.columns["truncated"][rows].tolist() == [False] * 5 + [not by_itself]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("start", [0, 3])
def test_collect_makes_choices_one_hot(mode: str | None, start: int) -> None:
    env = environment(mode, choices=4, start=start)
    data = collect(env, policy(env, start + 2), num_episodes=2, seed=0, progress=False)
    assert data.action_choices == 4
    assert data.actions[0].tolist() == [0.0, 0.0, 1.0, 0.0]
    assert np.isnan(data.actions[5]).all()
    assert data.columns["reward"][:5].tolist() == [1.0] * 5
    left = collect(env, policy(env, start), num_episodes=2, seed=0, progress=False)
    assert left.actions[:5].argmax(axis=1).tolist() == [0] * 5
    assert left.columns["reward"][:5].tolist() == [-1.0] * 5


def test_a_space_of_switches_is_no_choice() -> None:
    env = TwoCameraEnv()
    env.action_space = gymnasium.spaces.MultiBinary(2)
    data = collect(env, policy(env, [1.0, 0.0]), num_episodes=1, seed=0, progress=False)
    assert data.action_choices is None
    assert data.actions[0].tolist() == [1.0, 0.0]


def test_a_policy_may_reuse_its_array() -> None:
    buffer = np.zeros(2, np.float32)

    def act(info):
        buffer[:] = info["position"]
        return buffer

    data = collect(TwoCameraEnv(), act, num_episodes=1, seed=0, columns=["position"], progress=False)
    due = np.repeat(data.columns["position"][:-1].astype(np.float32), 2, axis=1)
    np.testing.assert_array_equal(data.actions[:-1], due)


def test_a_bare_vector_is_kept_without_pixels() -> None:
    class Bare(gymnasium.ObservationWrapper):
        def observation(self, observation):
            return observation["proprio"]

    data = collect(Bare(TwoCameraEnv()), policy(TwoCameraEnv(), [0.0, 0.0]), num_episodes=2, seed=0, fps=4.0)
    assert data.pixels is None
    assert data.columns["observation"].shape == (12, 3)
    assert data.fps == 4.0


def test_a_part_that_vanishes_is_an_error() -> None:
    class Forgetful(TwoCameraEnv):
        def step(self, action):
            observation, *rest = super().step(action)
            return {"pixels": observation["pixels"]}, *rest

    env = Forgetful()
    with pytest.raises(DataError, match=r"\['pixels', 'proprio', 'wrist'\] and became \['pixels'\]"):
        collect(env, policy(env, [0.0, 0.0]), num_episodes=1, seed=0, progress=False)


def test_episodes_carry_all_of_it() -> None:
    data = sensing_episodes([4, 5, 3])
    for some in (data.select([2, 0]), data.split(0.5, seed=0)[0], pickle.loads(pickle.dumps(data))):
        assert some.fps == 20.0
        assert set(some.columns) == set(data.columns)
    picked = data.select([2, 0])
    np.testing.assert_array_equal(picked.columns["proprio"][:3], data.columns["proprio"][9:])
    seen = data.observation(["proprio", "pixels", "clock"], rows=[1, 4])
    assert list(seen.parts) == ["proprio", "pixels", "clock"]
    assert seen["clock"].tolist() == [[1], [4]]
    assert np.shares_memory(data.observation(["wrist"], rows=slice(2, 5))["wrist"], data.columns["wrist"])
    assert "fps=20.0" in repr(data)


def test_vectors_alone_are_data() -> None:
    commands = [np.array([0, 2, 1]), np.array([1, 1])]
    states = [np.arange(8.0).reshape(4, 2), np.ones((3, 2))]
    data = Episodes.from_trajectories(None, commands, columns={"proprio": states}, action_choices=3, fps=10)
    assert data.num_rows == 7
    assert data.actions[:3].argmax(axis=1).tolist() == [0, 2, 1]
    assert np.isnan(data.actions[3]).all()
    assert "no pixels" in repr(data)
    processor = fit_processor(data, frameskip=1, parts=["proprio"])
    assert processor.observation_parts == ("proprio",)
    assert (processor.image_size, processor.fps, processor.action_choices) == (None, 10.0, 3)
    windows = Windows(data, 1, frameskip=1, columns=processor.observation_parts)
    batch = to_batch(windows.__getitems__([0, 1]), processor)
    assert isinstance(batch.observations, Observation)
    assert batch.observations["proprio"].shape == (2, 2, 2)
    with pytest.raises(ConfigError, match="no part `pixels`"):
        processor.observations(torch.zeros(1, 8, 8, 3, dtype=torch.uint8))
    with pytest.raises(ConfigError, match="`pixels`"):
        Windows(data, 1, frameskip=1)


def test_pictures_alone_stay_a_bare_tensor() -> None:
    data = sensing_episodes([6, 7])
    processor = fit_processor(data, frameskip=2, image_size=8)
    plain, rich = (Windows(data, 1, frameskip=2, columns=names) for names in (None, ["proprio", "reward"]))
    one, other = (to_batch(windows.__getitems__([0, 3]), processor) for windows in (plain, rich))
    assert isinstance(other.observations, torch.Tensor)
    assert torch.equal(one.observations, other.observations)
    assert not one.columns
    assert other.columns["reward"].dtype == torch.float32


def test_with_columns_shares_the_windows() -> None:
    windows = Windows(sensing_episodes([6, 7]), 1, frameskip=2)
    more = windows.with_columns(["pixels", "proprio"])
    assert (len(more), more.episodes) == (len(windows), windows.episodes)
    assert list(windows[0].observation.parts) == ["pixels"]
    assert list(more[0].observation.parts) == ["pixels", "proprio"]
    again = pickle.loads(pickle.dumps(more))[3]
    assert torch.equal(again.observation["proprio"], more[3].observation["proprio"])


@pytest.mark.parametrize("dtype", ["uint16", ">f4", "bool", "int8", "float16", "longdouble"])
def test_columns_of_any_number_type_become_tensors(dtype: str) -> None:
    data = tagged_episodes([4])
    values = np.array([0, 1, 1, 0]).astype(dtype)
    data = Episodes(data.pixels, data.actions, lengths=data.lengths, columns={"x": values})
    raw = Windows(data, 1, frameskip=1, columns=["x"]).__getitems__([0, 1])
    assert raw.observation["x"].tolist() == [[[0], [1]], [[1], [1]]]


@pytest.mark.parametrize("flags", [np.array([0, 0, 0, 1.0]), np.array([[np.nan], [0], [0], [2]])])
def test_flags_of_other_types_are_read(flags: np.ndarray) -> None:
    data = tagged_episodes([4])
    data = Episodes(data.pixels, data.actions, lengths=data.lengths, columns={"success": flags})
    raw = Windows(data, 2, frameskip=1, columns=["success"])[0]
    assert raw.columns["success"].tolist() == [[False, False, True]]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e39])
def test_a_missing_reward_is_refused_before_anyone_learns_from_it(bad: float) -> None:
    data = sensing_episodes([5, 6])
    rewards = data.columns["reward"].astype(np.float64)
    rewards[[4, 7]] = np.nan, bad
    spoilt = dataclasses.replace(data, columns={**data.columns, "reward": rewards})
    due = r"`reward` to be finite in every row but an episode's last.*1 of 11 rows.*row 7, of episode 1"
    with pytest.raises(DataError, match=due):
        Windows(spoilt, 1, frameskip=1, columns=["reward"])
    assert len(Windows(spoilt, 1, frameskip=1)) == 9  # nobody asks for it
    assert len(Windows(spoilt.select([0]), 1, frameskip=1, columns=["reward"])) == 4


def test_a_missing_mark_is_refused_where_an_action_leads_to_it() -> None:
    data = sensing_episodes([5, 6])
    marks = np.zeros(11)
    marks[[0, 5, 6]] = np.nan
    spoilt = dataclasses.replace(data, columns={**data.columns, "terminated": marks})
    with pytest.raises(
        DataError, match=r"`terminated` to be finite in every row but an episode's first.*row 6"
    ):
        Windows(spoilt, 1, frameskip=1, columns=["terminated"])


def test_a_reward_that_is_missing_in_the_middle_is_no_zero() -> None:
    """In windows that somebody made by hand: only what lies beyond an episode's end counts 0."""
    data = sensing_episodes([7])
    raw = Windows(data, 2, frameskip=2, columns=["reward"]).__getitems__([0, 2])
    processor = fit_processor(data, frameskip=2)
    assert raw.columns["reward"][1, 4:].isnan().all()
    assert to_batch(raw, processor).columns["reward"].isfinite().all()
    raw.columns["reward"][0, 1] = torch.nan
    raw.columns["reward"][0, 2] = torch.inf
    found = to_batch(raw, processor).columns["reward"]
    assert found[0, 0].isnan()
    assert found[0, 1] == torch.inf
    assert found[1].isfinite().all()


def test_torchs_own_collation_works() -> None:
    windows = Windows(sensing_episodes([6, 7]), 1, frameskip=2, columns=["proprio", "reward"])
    due = windows.__getitems__([0, 1, 2])
    for dataset in (windows, torch.utils.data.Subset(windows, [0, 1, 2])):
        raw = next(iter(DataLoader(dataset, batch_size=3)))
        assert isinstance(raw, RawBatch)
        assert torch.equal(raw.observation["proprio"], due.observation["proprio"])
        assert torch.equal(raw.columns["reward"].nan_to_num(), due.columns["reward"].nan_to_num())
    assert len(due[1:]) == 2
    assert [int(raw.rows[0, 0]) for raw in due] == [0, 1, 2]
    with pytest.raises(IndexError):
        due[3]
