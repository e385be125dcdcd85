import json
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from leworld.data import Episodes, LazyColumn, open_lerobot, open_store, write_store
from leworld.errors import ConfigError, DataError, MissingExtraError
from tests.data.robot_sets import RobotSet, film, lerobot, numbers_in, rewrite, write_video

KNOWN = RobotSet([9, 14, 5, 11])
TWO = ("observation.images.top", "observation.images.wrist")
TOP = "videos/observation.images.top/chunk-000/file-000.mp4"


def check(episodes: Episodes, known: RobotSet = KNOWN) -> None:
    np.testing.assert_array_equal(episodes.lengths, known.lengths)
    np.testing.assert_array_equal(episodes.actions, known.actions)
    np.testing.assert_array_equal(episodes.columns["proprio"], known.state)
    np.testing.assert_array_equal(episodes.columns["reward"].reshape(-1), known.reward)
    assert episodes.fps == 10
    assert "words" not in episodes.columns
    rows = np.random.default_rng(0).permutation(episodes.num_rows)
    np.testing.assert_array_equal(numbers_in(episodes.pixels[rows]), rows)


@pytest.mark.parametrize("version", ["v3.0", "v2.1", "v2.0"])
@pytest.mark.parametrize("kind", ["video", "image"])
def test_a_set_is_read_back(version: str, kind: str, tmp_path: Path) -> None:
    files = [[0, 1], [2, 3]]
    folder = lerobot(tmp_path / "s", KNOWN, version=version, kind=kind, files=files)
    episodes = open_lerobot(folder)
    assert isinstance(episodes.pixels, LazyColumn)
    check(episodes)
    check(pickle.loads(pickle.dumps(episodes)))
    if kind == "image":
        np.testing.assert_array_equal(episodes.pixels[:4], film(0, 4))
    else:
        error = np.abs(episodes.pixels[:].astype(int) - film(0, 39).astype(int))
        assert error.mean() < 6  # of the codec


def test_episodes_are_chosen_in_any_order_and_files(tmp_path: Path) -> None:
    folder = lerobot(tmp_path / "s", KNOWN, files=[[0, 2], [1, 3]])
    due = np.concatenate([np.arange(39)[span] for span in np.array(KNOWN.spans(), object)[[3, 0, 2]]])
    for frames in ("time", "number"):
        check(open_lerobot(folder, frames=frames))
        episodes = open_lerobot(folder, episodes=[3, 0, 2], frames=frames)
        np.testing.assert_array_equal(numbers_in(episodes.pixels[:]), due)
        np.testing.assert_array_equal(episodes.actions, KNOWN.actions[due])
    (folder / "videos/observation.images.top/chunk-000/file-001.mp4").unlink()
    (folder / "data/chunk-000/file-001.parquet").unlink()
    np.testing.assert_array_equal(open_lerobot(folder, episodes=[2, 0]).lengths, [5, 9])


@pytest.mark.parametrize(
    "options", [{}, {"g": "250", "bf": "3", "preset": "medium"}, {"g": "30", "bf": "2"}], ids=str
)
def test_frames_deep_in_a_long_file_are_exact(options: dict[str, str], tmp_path: Path) -> None:
    known = RobotSet([97] * 7)
    folder = lerobot(tmp_path / "s", known, options=options)
    pixels = open_lerobot(folder).pixels
    rows = np.random.default_rng(0).permutation(679)
    for start in range(0, 679, 97):
        np.testing.assert_array_equal(numbers_in(pixels[rows[start : start + 40]]), rows[start : start + 40])
    np.testing.assert_array_equal(numbers_in(pixels[[678, 0, 677, 1]]), [678, 0, 677, 1])


def test_av1_as_lerobot_writes_it(tmp_path: Path) -> None:
    check(open_lerobot(lerobot(tmp_path / "s", KNOWN, codec="libsvtav1", options={"crf": "30"})))


def test_cameras_are_chosen_and_named(tmp_path: Path) -> None:
    folder = lerobot(tmp_path / "s", KNOWN, cameras=TWO)
    both = open_lerobot(folder)
    assert both.pixels is None
    assert isinstance(both.columns["top"], LazyColumn)
    np.testing.assert_array_equal(numbers_in(both.columns["wrist"][:5]), 1000 + np.arange(5))
    for name in ("wrist", "observation.images.wrist"):
        one = open_lerobot(folder, cameras=name)
        assert sorted(one.columns) == ["proprio", "reward", "task_index"]
        np.testing.assert_array_equal(numbers_in(one.pixels[:5]), 1000 + np.arange(5))
    renamed = open_lerobot(folder, cameras={"wrist": "hand", "top": "pixels"})
    np.testing.assert_array_equal(numbers_in(renamed.columns["hand"][:5]), 1000 + np.arange(5))
    np.testing.assert_array_equal(numbers_in(renamed.pixels[:5]), np.arange(5))
    with pytest.raises(ConfigError, match="`front` is none"):
        open_lerobot(folder, cameras="front")
    with pytest.raises(ConfigError, match="two would be called `a`"):
        open_lerobot(folder, cameras={"wrist": "a", "top": "a"})


def test_wrong_rates_are_told_and_read_by_number(tmp_path: Path) -> None:
    """29 frames a second said, 30 in the file (lerobot 2364)."""
    folder = lerobot(tmp_path / "s", KNOWN, video_fps=10.5)
    episodes = open_lerobot(folder)
    with pytest.raises(DataError, match=r"10\.5 a second.*frames='number'"):
        episodes.pixels[30]
    with pytest.raises(DataError, match=r"within 0\.02 s"):
        open_lerobot(folder, tolerance=0.02).pixels[0]
    check(open_lerobot(folder, frames="number"))


def test_a_coarse_clock_needs_a_tolerance_below_half_a_frame(tmp_path: Path) -> None:
    stamps = (KNOWN.frame / 10 + 4e-4 * (KNOWN.frame % 3 - 1) * (KNOWN.frame > 0)).astype(np.float32)
    folder = lerobot(tmp_path / "s", KNOWN, stamps=stamps)
    with pytest.raises(DataError, match=r"0\.0004 s away.*tolerance"):
        open_lerobot(folder).pixels[0]
    check(open_lerobot(folder, tolerance=1e-3))
    with pytest.raises(ConfigError, match="below half a frame"):
        open_lerobot(folder, tolerance=0.05)


def test_stamps_of_a_clock_on_the_wall_are_told(tmp_path: Path) -> None:
    """Frame numbers out of range in lerobot 3513."""
    stamps = 1.7e9 + np.arange(39) * 0.1037
    folder = lerobot(tmp_path / "s", KNOWN, stamps=stamps)
    with pytest.raises(DataError, match=r"clock on the wall.*frames='number'"):
        open_lerobot(folder)
    check(open_lerobot(folder, frames="number"))


def test_a_wrong_merge_is_told(tmp_path: Path) -> None:
    """from_timestamp begins anew in the middle of a file (lerobot 2627)."""
    folder = lerobot(tmp_path / "s", KNOWN)
    stem = "videos__observation.images.top__"
    rewrite(
        folder / "meta/episodes/chunk-000/file-000.parquet",
        **{f"{stem}from_timestamp": [0, 0.9, 0, 0.5], f"{stem}to_timestamp": [0.9, 2.3, 0.5, 1.6]},
    )
    with pytest.raises(DataError, match=r"episode 2 begins at 0 s, before episode 1 ends.*merged"):
        open_lerobot(folder)
    check(open_lerobot(folder, frames="number"))
    rewrite(
        folder / "meta/episodes/chunk-000/file-000.parquet",
        **{f"{stem}from_timestamp": [0, 0.9, 2.3, 2.9], f"{stem}to_timestamp": [0.9, 2.3, 2.9, 4.0]},
    )
    with pytest.raises(DataError, match=r"episode 2 has 5 rows, 0\.5 s, and its place lasts 0\.6 s"):
        open_lerobot(folder)


def test_by_number_the_count_must_agree(tmp_path: Path) -> None:
    folder = lerobot(tmp_path / "s", KNOWN)
    write_video(folder / TOP, film(0, 40))
    with pytest.raises(DataError, match=r"exactly 39 frames, one for each row.*it has 40"):
        open_lerobot(folder, frames="number").pixels[0]
    write_video(folder / TOP, film(0, 30))
    with pytest.raises(DataError, match="of 30 frames"):
        open_lerobot(folder).pixels[0]


@pytest.mark.parametrize("version", ["v3.0", "v2.1"])
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_other_processes_decode_by_themselves(version: str, start: str, tmp_path: Path) -> None:
    pixels = open_lerobot(lerobot(tmp_path / "s", KNOWN, version=version)).pixels
    assert numbers_in(pixels[[5]])[0] == 5
    with get_context(start).Pool(1) as pool:
        found = pool.apply_async(pixels.__getitem__, (np.array([31, 6]),)).get(timeout=120)
    np.testing.assert_array_equal(numbers_in(found), [31, 6])


def test_packed_it_is_the_same(tmp_path: Path) -> None:
    folder = lerobot(tmp_path / "s", KNOWN)
    write_store(tmp_path / "p", open_lerobot(folder))
    check(open_store(tmp_path / "p"))


def test_a_file_that_changes_is_told(tmp_path: Path) -> None:
    folder = lerobot(tmp_path / "s", KNOWN)
    pixels = open_lerobot(folder).pixels
    pixels[0]
    write_video(folder / TOP, film(1, 39))
    with pytest.raises(DataError, match="to stay as it is"):
        pixels[0]


def edited(folder: Path, **values: object) -> None:
    path = folder / "meta/info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def linked(folder: Path) -> None:
    (folder / TOP).rename(folder.parent / "away.mp4")
    (folder / TOP).symlink_to(folder.parent / "away.mp4")


def cut(name: str, count: int):
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:count])


DATA = "data/chunk-000/file-000.parquet"
BAD = {
    "no info": (lambda f: (f / "meta/info.json").unlink(), "meta/info.json"),
    "broken info": (cut("meta/info.json", 50), "one JSON object"),
    "version 1": (lambda f: edited(f, codebase_version="v1.6"), "'v1.6'.*Convert"),
    "no rate": (lambda f: edited(f, fps=0), "`fps`"),
    "counts": (lambda f: edited(f, total_frames=40), "`total_frames`.*40.*39"),
    "a huge count": (lambda f: edited(f, total_episodes=2**60), "total_episodes"),
    "features": (lambda f: edited(f, features={"action": {"dtype": "float32", "shape": [2**70]}}), "shape"),
    "a way out": (lambda f: edited(f, video_path="../../../../etc/passwd"), "passwd"),
    "a way out that is there": (
        lambda f: [(f.parent / "x.mp4").write_bytes(b"x"), edited(f, video_path="../x.mp4")],
        "leads out of it",
    ),
    "a pattern of code": (lambda f: edited(f, data_path="{chunk_index.__class__}"), "__class__"),
    "an unknown field": (lambda f: edited(f, data_path="{secret:03d}"), "secret"),
    "no table": (lambda f: (f / DATA).unlink(), "file-000.parquet.*there is none"),
    "a cut table": (cut(DATA, 900), "complete parquet file"),
    "no video": (lambda f: (f / TOP).unlink(), r"file-000\.mp4.*there is none"),
    "a cut video": (cut(TOP, 900), r"file-000\.mp4"),
    "no video inside": (
        lambda f: (f / TOP).write_text("ffconcat version 1.0\nfile '/etc/passwd'\n"),
        "video",
    ),
    "a link out": (linked, "leads out of it"),
    "a pipe": (lambda f: [(f / DATA).unlink(), os.mkfifo(f / DATA)], "regular file"),
    "gaps": (lambda f: rewrite(f / DATA, frame_index=KNOWN.frame + 1), "`frame_index` from 0"),
    "other episodes": (lambda f: rewrite(f / DATA, episode_index=KNOWN.episode + 1), "9 rows for episode 0"),
    "missing actions": (
        lambda f: rewrite(f / DATA, action=[None, *([[1.0] * 3] * 38)]),
        "a value in every row of `action`",
    ),
    "ragged actions": (lambda f: rewrite(f / DATA, action=[[1.0], *([[1.0] * 3] * 38)]), "of one length"),
    "a wide state": (
        lambda f: rewrite(f / DATA, **{"observation.state": [[1.0] * 4] * 39}),
        r"shape \(2,\) in `observation.state`",
    ),
    "NaN actions": (lambda f: rewrite(f / DATA, action=[[np.nan] * 3] * 39), "fit together"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_sets_are_told(case: str, tmp_path: Path) -> None:
    folder = lerobot(tmp_path / "s", KNOWN)
    edit, words = BAD[case]
    edit(folder)
    with pytest.raises(DataError, match=words) as told:
        open_lerobot(folder)
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 900


def test_the_cache_of_the_hub_is_a_folder_of_links(tmp_path: Path) -> None:
    whole = lerobot(tmp_path / "s", KNOWN)
    root = tmp_path / "datasets--a--b"
    for number, path in enumerate(path for path in whole.rglob("*") if path.is_file()):
        blob, name = root / "blobs" / str(number), root / "snapshots" / "abc" / path.relative_to(whole)
        for parent in (blob.parent, name.parent):
            parent.mkdir(parents=True, exist_ok=True)
        path.rename(blob)
        name.symlink_to(os.path.relpath(blob, name.parent))
    check(open_lerobot(root / "snapshots" / "abc"))


def test_depth_and_texts_are_left_out(tmp_path: Path) -> None:
    folder = lerobot(tmp_path / "s", KNOWN, cameras=TWO)
    content = json.loads((folder / "meta/info.json").read_text())
    content["features"][TWO[1]]["info"] = {"video.is_depth_map": True}
    content["features"]["language"] = {"dtype": "language"}
    (folder / "meta/info.json").write_text(json.dumps(content))
    check(open_lerobot(folder))


def test_threads_do_not_mix_frames(tmp_path: Path) -> None:
    pixels = open_lerobot(lerobot(tmp_path / "s", KNOWN)).pixels
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda row: int(numbers_in(pixels[[row]])[0]), range(39)))
    assert found == list(range(39))


def test_names_that_are_not_there(tmp_path: Path) -> None:
    folder = lerobot(tmp_path / "s", KNOWN)
    with pytest.raises(ConfigError, match="Did you mean `action`"):
        open_lerobot(folder, action="actions")
    with pytest.raises(ConfigError, match="4 episodes"):
        open_lerobot(folder, episodes=[4])


def test_without_the_libraries_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = lerobot(tmp_path / "s", KNOWN)
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"leworld\[robots\]"):
        open_lerobot(folder)


def test_the_numbers_of_frames_survive_the_codec(tmp_path: Path) -> None:
    """The check of frames sees a neighbour."""
    np.testing.assert_array_equal(numbers_in(film(1234, 5)), 1234 + np.arange(5))
    assert pq.read_table(lerobot(tmp_path / "s", KNOWN) / DATA).num_rows == 39
