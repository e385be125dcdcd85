import json
import os
import pickle
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import zarr
from numcodecs import BZ2, LZ4, LZMA, Blosc, GZip, Zlib, Zstd

from leworld.data import (
    Episodes,
    LazyColumn,
    open_dino_wm,
    open_episodes,
    open_hdf5_groups,
    open_minari,
    open_recordings,
    open_store,
    open_swm_folder,
    open_zarr,
    write_store,
)
from leworld.errors import ConfigError, DataError, MissingExtraError
from tests.data.other_sets import KNOWN, dino_wm, minari, recordings, swm_folder, zarr_buffer
from tests.data.robot_sets import film, lerobot, numbers_in, write_video

ROWS = np.random.default_rng(0).permutation(len(KNOWN.actions))
LAST = KNOWN.starts + KNOWN.lengths - 1


def check(episodes: Episodes, *, last: bool = True) -> Episodes:
    """The pictures say their rows, in this process and unpickled, and the actions are all there."""
    np.testing.assert_array_equal(episodes.lengths, KNOWN.lengths)
    due = KNOWN.actions.copy()
    if not last:
        due[LAST] = np.nan
    np.testing.assert_array_equal(episodes.actions, due)
    assert isinstance(episodes.pixels, LazyColumn)
    for one in (episodes, pickle.loads(pickle.dumps(episodes))):
        np.testing.assert_array_equal(numbers_in(one.pixels[ROWS]), ROWS)
    return episodes


COMPRESSORS = [Blosc("lz4", 5, Blosc.BITSHUFFLE), Zstd(), LZ4(), Zlib(), GZip(), BZ2(), LZMA(), None]


@pytest.mark.parametrize("compressor", COMPRESSORS, ids=str)
def test_a_zarr_buffer_is_read_back(compressor: object, tmp_path: Path) -> None:
    path = zarr_buffer(tmp_path / "b.zarr", compressors=compressor)
    episodes = check(open_zarr(path, fps=10))
    np.testing.assert_array_equal(episodes.columns["state"], KNOWN.state)
    assert episodes.columns["keypoint"].shape == (19, 3, 2)
    np.testing.assert_array_equal(episodes.pixels[:], film(0, 19))  # floats, rounded


def test_a_zipped_buffer_of_bytes_and_chosen_episodes(tmp_path: Path) -> None:
    path = zarr_buffer(tmp_path / "b.zarr.zip", floats=False, zipped=True, order="F")
    check(open_zarr(path))
    check(open_episodes(path))
    episodes = open_zarr(path, episodes=[2, 0])
    np.testing.assert_array_equal(numbers_in(episodes.pixels[:]), [*range(10, 19), *range(6)])
    with get_context("fork").Pool(1) as pool:
        found = pool.apply_async(episodes.pixels.__getitem__, (np.array([1, 14]),)).get(timeout=120)
    np.testing.assert_array_equal(numbers_in(found), [11, 5])


@pytest.mark.parametrize("lengths", ["pkl", "numpy pkl", "pth"])
def test_a_folder_of_dino_wm_is_read_back(lengths: str, tmp_path: Path) -> None:
    episodes = check(open_dino_wm(dino_wm(tmp_path / "train", tensors=lengths != "pkl", lengths=lengths)))
    np.testing.assert_array_equal(episodes.columns["state"], KNOWN.state)
    np.testing.assert_array_equal(episodes.columns["velocity"], KNOWN.state[:, :1])
    other = open_dino_wm(tmp_path / "train", actions="abs_actions", episodes=[1])
    np.testing.assert_array_equal(other.actions, KNOWN.actions[6:10] + 1)


def test_minaris_episodes_have_a_last_frame_without_action(tmp_path: Path) -> None:
    episodes = check(open_minari(minari(tmp_path / "m")), last=False)
    np.testing.assert_array_equal(episodes.columns["achieved"], KNOWN.state)
    assert np.isnan(episodes.columns["reward"][LAST]).all()
    np.testing.assert_array_equal(episodes.columns["terminated"], np.isin(np.arange(19), LAST))
    assert not episodes.columns["truncated"].any()
    assert episodes.environment_id == "PointMaze-v3"
    choices = open_minari(minari(tmp_path / "d", discrete=True))
    assert choices.action_choices == 4
    assert choices.actions[:5].argmax(axis=1).tolist() == [0, 1, 2, 3, 0]


@pytest.mark.parametrize("video", [False, True])
def test_stable_worldmodels_folders_are_read_back(video: bool, tmp_path: Path) -> None:
    episodes = check(open_swm_folder(swm_folder(tmp_path / "s", video=video), fps=10), last=False)
    np.testing.assert_array_equal(episodes.columns["state"], KNOWN.state)
    due = KNOWN.reward.copy()
    due[LAST] = np.nan
    np.testing.assert_array_equal(episodes.columns["reward"], due)
    assert sorted(episodes.columns) == ["reward", "state"]
    some = open_swm_folder(tmp_path / "s", episodes=[2, 1])
    np.testing.assert_array_equal(numbers_in(some.pixels[:]), [*range(10, 19), *range(6, 10)])


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("video", [False, True])
def test_recordings_with_tables_are_read_back(video: bool, whole: bool, tmp_path: Path) -> None:
    folder = recordings(tmp_path / "r", video=video, whole=whole)
    episodes = check(open_recordings(folder))
    assert episodes.fps == (10 if video else None)
    np.testing.assert_allclose(episodes.columns["force"], KNOWN.state[:, 0])
    other = open_recordings(folder, actions=["force", "angle"], fps=5)
    np.testing.assert_array_equal(other.actions, KNOWN.state)
    assert other.fps == 5
    assert sorted(other.columns) == ["action_x", "action_y", "action_z"]


def test_tables_in_parquet_and_one_row_fewer(tmp_path: Path) -> None:
    folder = recordings(tmp_path / "r", video=False)
    for path in folder.glob("*.csv"):
        path.unlink()
    labels = np.array(["run 8", "run 9", "run 10"])[np.delete(KNOWN.episode, LAST)]
    table = {"episode": labels, "actions": list(np.delete(KNOWN.actions, LAST, axis=0))}
    pq.write_table(pa.table(table), folder / "all.parquet")
    check(open_recordings(folder), last=False)


FEW = "action.x,action.y,action.z\n1,2,3\n4,5,6\n"
SETS: dict[str, Callable[[Path], Path]] = {
    "lerobot": lambda path: lerobot(path, KNOWN),
    "zarr": zarr_buffer,
    "dino_wm": dino_wm,
    "minari": minari,
    "swm folder": swm_folder,
    "swm video": lambda path: swm_folder(path, video=True),
    "recordings": recordings,
}


@pytest.mark.parametrize("name", SETS)
def test_every_kind_is_recognised_and_packed(name: str, tmp_path: Path) -> None:
    episodes = open_episodes(SETS[name](tmp_path / "s"))
    check(episodes, last=name not in ("minari", "swm folder", "swm video"))
    write_store(tmp_path / "p", episodes)
    np.testing.assert_array_equal(numbers_in(open_store(tmp_path / "p").pixels[ROWS]), ROWS)


def cut(name: str, count: int) -> Callable[[Path], object]:
    return lambda folder: os.truncate(folder / name, count)


def gone(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def away(name: str) -> Callable[[Path], object]:
    """A link to a file outside of the folder."""

    def edit(folder: Path) -> None:
        (folder / name).rename(folder.parent / "away")
        (folder / name).symlink_to(folder.parent / "away")

    return edit


def says(name: str, **values: object) -> Callable[[Path], object]:
    def edit(folder: Path) -> None:
        content = json.loads((folder / name).read_text()) | values
        (folder / name).write_text(json.dumps(content))

    return edit


def saved(name: str, array: object) -> Callable[[Path], object]:
    if name.endswith(".npz"):
        return lambda folder: np.savez(folder / name, np.asarray(array))
    return lambda folder: torch.save(array, folder / name)


def pickled(value: object) -> Callable[[Path], object]:
    return lambda folder: (folder / "seq_lengths.pkl").write_bytes(pickle.dumps(value))


def filmed(name: str, count: int) -> Callable[[Path], object]:
    return lambda folder: write_video(folder / name, film(0, count))


def text(name: str, content: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(content)


def bomb(folder: Path) -> None:
    """A chunk of Blosc that declares two gigabytes."""
    raw = bytearray((folder / "data/img/0.0.0.0").read_bytes())
    raw[4:8] = (2**31 - 1).to_bytes(4, "little")
    (folder / "data/img/0.0.0.0").write_bytes(raw)


class Code:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("false",)


BAD: list[tuple[str, str, Callable[[Path], object], str]] = [
    ("zarr", "a chunk gone", gone("data/img/1.0.0.0"), r"every chunk of `data/img`.*1\.0\.0\.0"),
    ("zarr", "actions gone", gone("data/action/0.0"), "every chunk of `data/action`"),
    ("zarr", "a cut chunk", cut("data/img/0.0.0.0", 40), "readable chunk"),
    ("zarr", "a bomb", bomb, "do not hold"),
    ("zarr", "a link out", away("data/img/0.0.0.0"), "leads out of it"),
    ("zarr", "a huge claim", says("data/img/.zarray", shape=[19, 2**39, 2**39, 3]), "img"),
    ("zarr", "huge chunks", says("data/img/.zarray", chunks=[2**20, 2**20, 32, 3]), "chunks of at most"),
    ("zarr", "too few rows", says("data/state/.zarray", shape=[18, 2]), "19 rows in `data/state`"),
    ("zarr", "code as a filter", says("data/img/.zarray", filters=[{"id": "pickle"}]), "without filters"),
    ("zarr", "code as compression", says("data/img/.zarray", compressor={"id": "pickle"}), "not known"),
    ("zarr", "no ends", gone("meta/episode_ends/.zarray"), "episode_ends"),
    ("zarr", "version 3", text("zarr.json", "{}"), "version 3"),
    ("dino_wm", "no states", saved("states.pth", [1, 2]), "one tensor"),
    ("dino_wm", "code", saved("states.pth", Code()), "one tensor"),
    ("dino_wm", "a cut tensor", cut("rel_actions.pth", 300), "one tensor"),
    ("dino_wm", "another shape", saved("rel_actions.pth", torch.ones(3, 8, 2)), "same episodes and times"),
    ("dino_wm", "values repeated", saved("states.pth", torch.ones(1).expand(3, 2**20, 2**20)), "repeats"),
    ("dino_wm", "lengths of code", pickled(Code()), "names"),
    ("dino_wm", "long", pickled([6, 4, 10]), "from 1 to 9"),
    ("dino_wm", "no video", gone("obses/episode_001.mp4"), "episode_001.mp4"),
    ("dino_wm", "a short video", filmed("obses/episode_001.mp4", 3), "at least 4"),
    ("minari", "no file", gone("data/main_data.hdf5"), "known format"),
    ("minari", "arrow", says("data/metadata.json", data_format="arrow"), "'arrow'"),
    ("minari", "a cut file", cut("data/main_data.hdf5", 3000), "HDF5"),
    ("swm folder", "a picture gone", gone("pixels/ep_1_step_2.jpeg"), r"ep_1_step_2\.jpeg"),
    ("swm folder", "a cut picture", cut("pixels/ep_0_step_0.jpeg", 100), "picture that can be decoded"),
    ("swm folder", "offsets", saved("ep_offset.npz", [0, 6, 11]), "follow one another"),
    ("swm folder", "few actions", saved("action.npz", np.ones((18, 3))), "each of its 19 rows"),
    ("swm folder", "few states", saved("state.npz", np.ones((18, 3))), "each of its 19 rows in state"),
    ("swm folder", "a cut array", cut("state.npz", 100), "readable .npz file"),
    ("swm folder", "a link out", away("state.npz"), "leads out of it"),
    ("swm video", "a video gone", gone("pixels/ep_2.mp4"), r"ep_2\.mp4"),
    ("swm video", "longer", filmed("pixels/ep_0.mp4", 7), "exactly 6 frames"),
    ("recordings", "a table gone", gone("run 9.csv"), r"a table run 9\.csv"),
    ("recordings", "few rows", text("run 9.csv", FEW), "each of the 4 frames of run 9"),
    ("recordings", "ragged", text("run 9.csv", "action\n1\n2,3\n4\n5\n"), "other lengths"),
    ("recordings", "a cut video", cut("run 9.mp4", 500), "video"),
    ("recordings", "bytes", lambda f: (f / "run 9.csv").write_bytes(b"action\n\xff\n"), "readable CSV"),
    ("recordings", "a link out", away("run 9.mp4"), "leads out of it"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "case", "edit", "words"), BAD, ids=[f"{n}, {c}" for n, c, _, _ in BAD])
def test_bad_sets_are_told(
    name: str, case: str, edit: Callable[[Path], object], words: str, tmp_path: Path
) -> None:
    folder = SETS[name](tmp_path / "s")
    edit(folder)
    with pytest.raises(DataError, match=words) as told:
        open_episodes(folder).pixels[:]
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 900


def test_a_table_with_other_names_is_told(tmp_path: Path) -> None:
    folder = recordings(tmp_path / "r", whole=True)
    with pytest.raises(ConfigError, match="`act` is none"):
        open_recordings(folder, actions="act")
    with pytest.raises(DataError, match="its file nothing"):
        open_recordings(folder, table="nothing.csv")
    (folder / "table.csv").write_text("action\n1\n")
    with pytest.raises(DataError, match="a column `episode`"):
        open_recordings(folder)
    (folder / "table.csv").write_text("episode,action\nrun 11,1\n")
    with pytest.raises(DataError, match="no recording run 11"):
        open_recordings(folder)
    (folder / "table.csv").write_text("episode,x\nrun 8,1\n")
    with pytest.raises(ConfigError, match="begins with `action`"):
        open_recordings(folder)


def test_pictures_between_0_and_1_are_told(tmp_path: Path) -> None:
    path = zarr_buffer(tmp_path / "b")
    root = zarr.open_group(path, mode="r+", zarr_format=2)
    root["data/img"][:] = film(0, 19) / 255  # pyright: ignore[reportIndexIssue]
    with pytest.raises(DataError, match="from 0 to 1"):
        open_zarr(path)


def test_cameras_of_any_kind_are_chosen_by_one_option(tmp_path: Path) -> None:
    both = open_hdf5_groups(minari(tmp_path / "m") / "data/main_data.hdf5", group="episode_*")
    two = {"front": both.pixels, "side": np.asarray(both.pixels)}
    write_store(tmp_path / "p", Episodes(None, both.actions, lengths=both.lengths, columns=two))
    store = open_episodes(tmp_path / "p")
    assert store.pixels is None
    one = open_episodes(tmp_path / "p", cameras="side")
    np.testing.assert_array_equal(one.pixels[:], two["side"])
    assert list(one.columns) == []
    renamed = open_episodes(tmp_path / "p", cameras={"side": "pixels", "front": "wrist"})
    assert list(renamed.columns) == ["wrist"]
    with pytest.raises(ConfigError, match="`top` is none"):
        open_episodes(tmp_path / "p", cameras="top")


@pytest.mark.parametrize(("module", "kind"), [("numcodecs", "zarr"), ("PIL.Image", "swm folder")])
def test_a_missing_library_names_the_extra(
    module: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = SETS[kind](tmp_path / "s")
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(MissingExtraError, match=r"leworld\[robots\]"):
        open_episodes(folder)
