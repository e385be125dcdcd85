import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest

from leworld.data import Episodes, action_shift, open_hdf5, open_swm_folder, read_hdf5, write_hdf5
from leworld.errors import ConfigError, DataError
from tests.data.other_sets import swm_folder
from tests.data.robot_sets import RobotSet

LENGTHS = [30, 41, 25, 38]


def world(*, shift: int, absolute: bool = False, noise: float = 0.05, seed: int = 0) -> RobotSet:
    """A point that its actions move; the action that leaves row t stands in row t + shift."""
    rng = np.random.default_rng(seed)
    known = RobotSet(LENGTHS, seed=seed)
    for span in known.spans():
        count = span.stop - span.start
        actions, places = np.zeros((count, 3)), np.zeros((count, 2))
        drift = rng.normal(size=3)
        for t in range(count):
            drift = 0.8 * drift + 0.6 * rng.normal(size=3)  # as smooth as a hand
            actions[t] = drift + (np.append(places[t], 0) if absolute else 0)
            if t + 1 < count:
                goal = actions[t, :2] - (places[t] if absolute else 0)
                places[t + 1] = places[t] + 0.5 * goal + noise * rng.normal(size=2)
        known.state[span] = places
        known.actions[span] = np.roll(actions, shift, axis=0)
    return known


def episodes_of(known: RobotSet) -> Episodes:
    return Episodes(None, known.actions, lengths=known.lengths, columns={"state": known.state})


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("shift", [-1, 0, 1])
def test_a_shift_is_found(shift: int, absolute: bool) -> None:
    for seed in range(10):
        assert action_shift(episodes_of(world(shift=shift, absolute=absolute, seed=seed))) == shift


def test_actions_that_do_nothing_and_still_states_tell_no_shift() -> None:
    known = world(shift=0, noise=0.0)
    known.actions[:] = np.random.default_rng(5).normal(size=known.actions.shape)
    assert action_shift(episodes_of(known)) == 0
    known.state[:] = 1
    assert action_shift(episodes_of(known)) == 0


def test_too_little_is_told() -> None:
    known = RobotSet([9, 9])
    with pytest.raises(DataError, match="at least 40 rows"):
        action_shift(episodes_of(known))
    with pytest.raises(ConfigError, match="proprio"):
        action_shift(episodes_of(known), column="proprio")


def flat(path: Path, known: RobotSet, *, last: float) -> Path:
    """A file of stable-worldmodel, without the mark that leworld leaves."""
    actions = known.actions.copy()
    actions[known.starts + known.lengths - 1] *= last
    with h5py.File(path, "w") as file:
        file["pixels"] = np.zeros((len(actions), 4, 4, 3), np.uint8)
        file["action"], file["state"] = actions, known.state
        file["ep_len"], file["ep_offset"] = known.lengths, known.starts
    return path


def test_sets_of_stable_worldmodel_are_looked_at(tmp_path: Path) -> None:
    late = world(shift=1)
    path = flat(tmp_path / "late.h5", late, last=1.0)
    for reader in (open_hdf5, read_hdf5):
        with pytest.warns(UserWarning, match=r"shifted by one.*after it, judged by `state`.*0\.1\.1"):
            reader(path)
    with pytest.warns(UserWarning, match="before it"):
        open_swm_folder(swm_folder(tmp_path / "f", world(shift=-1), last=1.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_hdf5(flat(tmp_path / "nan.h5", late, last=np.nan))
        open_hdf5(flat(tmp_path / "well.h5", world(shift=0), last=1.0))
        write_hdf5(tmp_path / "own.h5", open_hdf5(tmp_path / "nan.h5"))
        open_hdf5(tmp_path / "own.h5")
