import os
import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from leworld.data import LazyColumn, open_hdf5_groups, write_hdf5
from leworld.errors import ConfigError, DataError
from tests.data.fakes import random_episodes

LENGTHS = [5, 3, 4, 6, 2, 5, 4, 3, 2, 4, 7]  # eleven, so that demo_10 is not taken for the second


def demo(number: int, length: int, *, frames: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(number)
    frames = frames or length
    return {
        "actions": rng.normal(size=(length, 2)),
        "rewards": rng.normal(size=length),
        "dones": np.arange(length) == length - 1,
        "states": rng.normal(size=(frames, 4)),
        "obs/agentview_rgb": rng.integers(0, 256, (frames, 8, 6, 3), np.uint8),
        "obs/eye_in_hand_rgb": rng.integers(0, 256, (frames, 3, 4, 4), np.uint8),
        "obs/joint_states": rng.normal(size=(frames, 7)),
        "next_obs/joint_states": rng.normal(size=(frames, 7)),
    }


def put(group: Any, content: dict[str, np.ndarray]) -> None:
    for name, value in content.items():
        group.create_dataset(name, data=value, compression="gzip" if value.ndim == 4 else None)


@pytest.fixture
def robomimic(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "demo.hdf5", "w") as file:
        for number, length in enumerate(LENGTHS):
            put(file.create_group(f"data/demo_{number}"), demo(number, length))
        file["data"].attrs["env_args"] = "{}"
        file["mask/train"] = np.array([b"demo_0"])
    return tmp_path / "demo.hdf5"


def whole(name: str) -> np.ndarray:
    return np.concatenate([demo(number, length)[name] for number, length in enumerate(LENGTHS)])


def test_robomimics_layout_is_read_back(robomimic: Path) -> None:
    episodes = open_hdf5_groups(robomimic, cameras="obs/agentview_rgb", fps=20)
    assert episodes.lengths.tolist() == LENGTHS
    assert isinstance(episodes.pixels, LazyColumn)
    assert sorted(episodes.columns) == ["done", "joint_states", "reward", "state"]
    np.testing.assert_array_equal(episodes.actions, whole("actions").astype(np.float32))
    np.testing.assert_array_equal(episodes.columns["joint_states"], whole("obs/joint_states"))
    np.testing.assert_array_equal(episodes.columns["reward"], whole("rewards"))
    rows = np.random.default_rng(0).permutation(sum(LENGTHS))
    for one in (episodes, pickle.loads(pickle.dumps(episodes))):
        np.testing.assert_array_equal(one.pixels[rows], whole("obs/agentview_rgb")[rows])


def test_cameras_columns_and_episodes_are_named_by_the_user(robomimic: Path) -> None:
    episodes = open_hdf5_groups(
        robomimic,
        group="data/demo_*",
        cameras={"obs/eye_in_hand_rgb": "pixels", "agentview_rgb": "front"},
        columns={"obs/joint_states": "proprio"},
        episodes=[10, 1],
        environment_id="mine",
    )
    assert (episodes.lengths.tolist(), episodes.environment_id) == ([7, 3], "mine")
    due = np.concatenate([demo(10, 7)["obs/eye_in_hand_rgb"], demo(1, 3)["obs/eye_in_hand_rgb"]])
    np.testing.assert_array_equal(episodes.pixels[:], due.transpose(0, 2, 3, 1))
    assert sorted(episodes.columns) == ["front", "proprio"]
    both = open_hdf5_groups(robomimic)
    assert both.pixels is None
    assert both.columns["agentview_rgb"].shape[1:] == (8, 6, 3)
    only = open_hdf5_groups(robomimic, columns=["obs/joint_states", "rewards"])
    assert sorted(only.columns) == ["agentview_rgb", "eye_in_hand_rgb", "joint_states", "reward"]


def test_a_folder_of_files_and_one_action_fewer(tmp_path: Path) -> None:
    for number in (0, 2, 10):
        with h5py.File(tmp_path / f"episode_{number}.hdf5", "w") as file:
            put(file, demo(number, 4, frames=5))
    episodes = open_hdf5_groups(tmp_path, group="", cameras="agentview_rgb")
    assert episodes.lengths.tolist() == [5, 5, 5]
    assert np.isnan(episodes.actions[[4, 9, 14]]).all()
    assert np.isnan(episodes.columns["reward"][[4, 9, 14]]).all()
    np.testing.assert_array_equal(episodes.actions[10:14], demo(10, 4)["actions"].astype(np.float32))
    np.testing.assert_array_equal(episodes.pixels[5:10], demo(2, 4, frames=5)["obs/agentview_rgb"])


def external(file: Any, name: str) -> None:
    del file[name]
    file[name] = h5py.ExternalLink("other.h5", "/x")


BAD = {
    "no such group": ({"group": "demo_*"}, lambda f: None, "episodes at `demo_\\*`"),
    "no such action": ({"actions": "act"}, lambda f: None, "`act` in its episode `data/demo_0`.*`actions`"),
    "no such column": ({"columns": ["obs/x"]}, lambda f: None, "`obs/x`"),
    "a short camera": (
        {},
        lambda f: [
            f.pop("data/demo_2/obs/agentview_rgb"),
            put(f["data/demo_2"], {"obs/agentview_rgb": demo(0, 3)["obs/agentview_rgb"]}),
        ],
        "rows of `data/demo_2`",
    ),
    "another size": (
        {"cameras": "agentview_rgb"},
        lambda f: [
            f.pop("data/demo_2/obs/agentview_rgb"),
            put(f["data/demo_2"], {"obs/agentview_rgb": np.zeros((4, 9, 9, 3), np.uint8)}),
        ],
        "one size and type in every episode.*episode 2",
    ),
    "short actions": (
        {},
        lambda f: [f.pop("data/demo_3/actions"), put(f["data/demo_3"], {"actions": np.ones((2, 2))})],
        "`actions` has 2",
    ),
    "an external link": ({}, lambda f: external(f, "data/demo_1/obs/agentview_rgb"), "external link"),
    "an external group": ({}, lambda f: external(f, "data/demo_1"), "external link"),
    "never written": (
        {},
        lambda f: [
            f.pop("data/demo_1/obs/joint_states"),
            f["data/demo_1"].create_dataset("obs/joint_states", (3, 7), "f4", chunks=(1, 7)),
        ],
        "never written",
    ),
    "words as actions": (
        {},
        lambda f: [f.pop("data/demo_0/actions"), f["data/demo_0"].__setitem__("actions", [b"a"] * 5)],
        "vectors of numbers",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_told(case: str, robomimic: Path) -> None:
    options, edit, words = BAD[case]
    with h5py.File(robomimic, "r+") as file:
        edit(file)
    with pytest.raises(DataError, match=words):
        open_hdf5_groups(robomimic, **options)


def test_files_that_are_none(tmp_path: Path, robomimic: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        open_hdf5_groups(tmp_path / "x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no \.hdf5 or \.h5 file"):
        open_hdf5_groups(tmp_path / "empty", group="")
    os.truncate(robomimic, 2000)
    with pytest.raises(DataError):
        open_hdf5_groups(robomimic)
    write_hdf5(tmp_path / "empty" / "many.h5", random_episodes([3, 4]))
    with pytest.raises(DataError, match="it has many"):
        open_hdf5_groups(tmp_path / "empty", group="", actions="action")
    with pytest.raises(ConfigError, match="names in the file"):
        open_hdf5_groups(robomimic, group=3)  # type: ignore[arg-type]
