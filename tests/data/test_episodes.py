import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leworld.data import Episodes
from leworld.errors import ConfigError, DataError, ShapeError
from tests.data.fakes import QUICK, random_episodes, tagged_episodes

LENGTHS = st.lists(st.integers(1, 6), min_size=1, max_size=8)


@QUICK
@given(LENGTHS)
def test_offsets_and_rows_tile_the_rows(lengths: list[int]) -> None:
    episodes = tagged_episodes(lengths)
    seen = [row for index in range(len(episodes)) for row in range(*episodes.rows(index).indices(10**6))]
    assert seen == list(range(sum(lengths)))
    assert [episodes.rows(index).start for index in range(len(lengths))] == episodes.offsets.tolist()
    assert episodes.rows(-1) == episodes.rows(len(lengths) - 1)


@QUICK
@given(LENGTHS, st.data())
def test_select_takes_whole_episodes_in_the_given_order(lengths: list[int], data: st.DataObject) -> None:
    episodes = tagged_episodes(lengths)
    indices = data.draw(st.lists(st.integers(-len(lengths), len(lengths) - 1), min_size=1, max_size=6))
    chosen = episodes.select(indices)
    assert chosen.lengths.tolist() == [lengths[i] for i in indices]
    for position, index in enumerate(indices):
        ours, theirs = chosen.rows(position), episodes.rows(index)
        np.testing.assert_array_equal(chosen.pixels[ours], episodes.pixels[theirs])
        np.testing.assert_array_equal(chosen.actions[ours], episodes.actions[theirs])
        np.testing.assert_array_equal(chosen.columns["state"][ours], episodes.columns["state"][theirs])


@QUICK
@given(LENGTHS)
def test_from_trajectories_gives_back_what_it_joined(lengths: list[int]) -> None:
    source = random_episodes(lengths)
    films = [source.pixels[source.rows(i)] for i in range(len(source))]
    commands = [source.actions[source.rows(i)] for i in range(len(source))]
    for joined in (
        Episodes.from_trajectories(films, commands, columns={"x": commands}),
        Episodes.from_trajectories(films, [a[:-1] for a in commands], columns={"x": commands}),
    ):
        np.testing.assert_array_equal(joined.pixels, source.pixels)
        np.testing.assert_array_equal(joined.actions, source.actions)
        np.testing.assert_array_equal(joined.columns["x"], source.actions)
        np.testing.assert_array_equal(joined.lengths, source.lengths)


def test_a_run_of_episodes_shares_memory_and_a_choice_copies() -> None:
    episodes = tagged_episodes([3, 4, 5, 6])
    assert np.shares_memory(episodes.select(slice(1, 3)).pixels, episodes.pixels)
    assert np.shares_memory(episodes.select([2]).pixels, episodes.pixels)
    assert not np.shares_memory(episodes.select([0, 2]).pixels, episodes.pixels)
    assert Episodes(episodes.pixels, episodes.actions, lengths=episodes.lengths).pixels is episodes.pixels


def test_a_known_last_action_is_kept() -> None:
    frames, actions = np.zeros((2, 4, 4, 3), np.uint8), np.ones((2, 1))
    episodes = Episodes(frames, actions, lengths=np.array([2]))
    assert episodes.actions.dtype == np.float32
    assert episodes.actions.tolist() == [[1.0], [1.0]]


def test_split_keeps_at_least_one_episode_on_either_side() -> None:
    for share in (0.001, 0.999):
        assert {len(side) for side in tagged_episodes([2, 2, 2]).split(share, seed=0)} == {1, 2}


def test_repr_is_short_and_pickle_keeps_all() -> None:
    episodes = random_episodes([4, 5])
    assert len(repr(episodes)) < 200
    again = pickle.loads(pickle.dumps(episodes))
    np.testing.assert_array_equal(again.pixels, episodes.pixels)
    assert again.environment_id == "fake/Random-v0"


def test_nan_inside_an_episode_is_named() -> None:
    episodes = tagged_episodes([4, 5])
    actions = episodes.actions.copy()
    actions[6, 1] = np.nan
    with pytest.raises(DataError, match="row 6 \\(step 2 of the 5 of episode 1\\)"):
        Episodes(episodes.pixels, actions, lengths=episodes.lengths)
    half = episodes.actions.copy()
    half[3] = [np.nan, 1.0]
    with pytest.raises(DataError, match="row 3"):
        Episodes(episodes.pixels, half, lengths=episodes.lengths)


def test_errors_say_what_came() -> None:
    with pytest.raises(ShapeError, match=r"a float32 array of shape \(2, 4, 4, 3\)"):
        Episodes(np.zeros((2, 4, 4, 3), np.float32), np.zeros((2, 1)), lengths=np.array([2]))
    with pytest.raises(DataError, match="add up to 3, while `pixels` has 2 rows"):
        Episodes(np.zeros((2, 4, 4, 3), np.uint8), np.zeros((2, 1)), lengths=np.array([2, 1]))
    with pytest.raises(ConfigError, match=r"\[0, 5\]"):
        tagged_episodes([2, 2]).select([0, 5])
