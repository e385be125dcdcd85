"""Rewards of a fixed goal against a loop over rows, and a model that learns from them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from leworld.data import Episodes, Windows, fit_processor, to_batch
from leworld.errors import DataError
from leworld.tasks import ArmTask, get_task, with_rewards
from leworld.training import TrainSettings, train
from tests.models.rssm import rssm

TASKS = pytest.mark.parametrize("name", ["tworoom", "arm"])


def goal_of(episodes: Episodes) -> np.ndarray:
    """A state that some episode passes in its middle."""
    return np.asarray(episodes.columns["state"][episodes.lengths[0] // 2], np.float64)


@TASKS
@pytest.mark.parametrize("kind", ["sparse", "dense"])
def test_every_row_earns_by_where_it_leads(name: str, kind: str) -> None:
    task = get_task(name)
    episodes = task.collect(3, seed=1, image_size=16)
    goal = goal_of(episodes)
    found = with_rewards(episodes, task, goal=goal, kind=kind, unit=2.0)
    assert found.pixels is episodes.pixels
    states = episodes.columns["state"]
    for index in range(3):
        rows = range(episodes.num_rows)[episodes.rows(index)]
        for row in rows[:-1]:
            following = states[row + 1]
            due = (
                float(task.reached(following, goal))
                if kind == "sparse"
                else -task.distance(following, goal) / 2
            )
            assert found.columns["reward"][row] == pytest.approx(due, abs=1e-4)
        assert np.isnan(found.columns["reward"][rows[-1]])
        assert found.columns["truncated"][rows].tolist() == [False] * (len(rows) - 1) + [True]
    assert not found.columns["terminated"].any()
    assert kind == "dense" or 0 < np.nanmean(found.columns["reward"]) < 1


@TASKS
def test_an_arrival_ends_the_episode_by_its_own_rule(name: str) -> None:
    task = get_task(name)
    episodes = task.collect(3, seed=1, image_size=16)
    goal = goal_of(episodes)
    found = with_rewards(episodes, task, goal=goal, ends=True)
    over, cut = found.columns["terminated"], found.columns["truncated"]
    assert over.any()
    assert cut.any()
    there = task.reached(found.columns["state"], goal)
    for index in range(len(found)):
        rows = range(found.num_rows)[found.rows(index)]
        assert not there[rows[:-1]].any()
        assert over[rows[-1]] == there[rows[-1]] != cut[rows[-1]]
        assert not over[rows[:-1]].any()
        earned = found.columns["reward"][rows[:-1]]
        assert earned.tolist() == [0.0] * (len(earned) - 1) + [float(there[rows[-1]])]
        # A piece is a stretch of what was recorded, with the actions between its frames.
        place = np.flatnonzero((episodes.columns["state"] == found.columns["state"][rows[0]]).all(1))[0]
        stretch = slice(place, place + len(rows))
        assert np.array_equal(episodes.pixels[stretch], found.pixels[rows])
        assert np.array_equal(episodes.actions[stretch][:-1], found.actions[rows[:-1]])
    assert (there & ~over).sum() == 0


def test_a_block_that_leads_to_the_goal_is_marked_in_a_batch() -> None:
    task = get_task("arm")
    episodes = task.collect(3, seed=1, image_size=16)
    found = with_rewards(episodes, task, goal=goal_of(episodes), ends=True)
    processor = fit_processor(found, frameskip=2)
    windows = Windows(found, 1, frameskip=2, columns=["reward", "terminated"])
    marked = 0
    for index in range(len(windows)):
        columns = to_batch(windows[index], processor).columns
        marked += int(columns["terminated"][0, 0])
        assert bool(columns["terminated"][0, 0]) == bool(columns["reward"][0, 0] == 1)
    assert marked > 0


@pytest.mark.filterwarnings("ignore::leworld.training.CollapseWarning")
def test_a_model_learns_offline_from_such_episodes(tmp_path: Path) -> None:
    task = get_task("arm")
    episodes = task.collect(3, seed=1, image_size=8)
    found = with_rewards(episodes, task, goal=goal_of(episodes), ends=True)
    model = rssm()
    model.processor = fit_processor(found, frameskip=2)
    before = model.reward.network.layers[-1].weight.clone()
    settings = TrainSettings(num_steps=3, batch_size=8, log_every=1)
    windows = Windows(found, model.history_size, frameskip=2)
    train(model, windows, folder=tmp_path, settings=settings, progress=False)
    assert not (model.reward.network.layers[-1].weight == before).all()


@pytest.mark.parametrize("kind", ["sparse", "dense"])
def test_a_state_that_is_missing_earns_nothing_that_could_be_taken_for_a_reward(kind: str) -> None:
    task = get_task("arm")
    episodes = task.collect(2, image_size=8)
    states = np.array(episodes.columns["state"])
    states[7, 1] = np.nan
    spoilt = replace(episodes, columns={**episodes.columns, "state": states})
    with pytest.raises(DataError, match=r"`state` to be finite in every row.*the first is row 7"):
        with_rewards(spoilt, task, goal=np.zeros(2), kind=kind)


def test_a_distance_that_is_missing_is_refused() -> None:
    class Lost(ArmTask):  # type: ignore[misc] -- final
        def distance(self, state: np.ndarray, goal: np.ndarray) -> np.ndarray:
            far = super().distance(state, goal)
            far[3] = np.nan
            return far

    with pytest.raises(DataError, match=r"distance to the goal to be finite in every row.*row 3"):
        with_rewards(ArmTask().collect(1, image_size=8), Lost(), goal=np.zeros(2), kind="dense")
