import json
import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from leworld.data import (
    Episodes,
    LazyColumn,
    Windows,
    episode_digests,
    fit_processor,
    open_hdf5,
    open_store,
    to_batch,
    write_hdf5,
    write_store,
)
from leworld.data._store import _plan, _shards, _write
from leworld.errors import ConfigError, DataError
from tests.data.fakes import random_episodes, sensing_episodes
from tests.data.lazy import sparing
from tests.data.test_hdf5 import assert_equal


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several shards of a few episodes, and no wait for the disk."""
    monkeypatch.setattr(_shards, "SHARD_BYTES", 1200)
    monkeypatch.setattr(_shards, "flush", lambda path: None)


KNOWN = sensing_episodes([5, 9, 4, 7, 11])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".leworld.lock")


def test_what_is_stored_is_opened(tmp_path: Path) -> None:
    write_store(tmp_path / "s", sparing(KNOWN, 32))
    store = open_store(tmp_path / "s", verify=True)
    assert isinstance(store.pixels, LazyColumn)
    assert isinstance(store.columns["wrist"], LazyColumn)
    assert isinstance(store.columns["proprio"], np.ndarray)
    assert (store.fps, store.environment_id, store.action_choices) == (20.0, None, None)
    assert len(names(tmp_path / "s")) > 3
    rng = np.random.default_rng(0)
    for one, other in ((store, KNOWN), (store.select([3, 1]), KNOWN.select([3, 1]))):
        assert_equal(one.load(), other)
        assert_equal(pickle.loads(pickle.dumps(one)).load(), other)
        rows = rng.integers(0, one.num_rows, (7, 3))
        np.testing.assert_array_equal(one.pixels[rows], other.pixels[rows])
        np.testing.assert_array_equal(one.pixels[2:9], other.pixels[2:9])
        assert episode_digests(one, ["pixels", "wrist"]) == episode_digests(other, ["pixels", "wrist"])
    films = [np.load(path) for path in sorted((tmp_path / "s").glob("*/pixels.npy"))]
    np.testing.assert_array_equal(np.concatenate(films), KNOWN.pixels)


def test_choices_and_vectors_alone(tmp_path: Path) -> None:
    states = [np.arange(n, dtype=np.float64)[:, None] for n in (4, 3)]
    known = Episodes.from_trajectories(
        None, [np.array([0, 2, 1]), np.array([1, 1])], columns={"state": states}, action_choices=3
    )
    write_store(tmp_path, known)
    store = open_store(tmp_path)
    assert store.pixels is None
    assert store.action_choices == 3
    np.testing.assert_array_equal(store.columns["state"], known.columns["state"])


def test_recorded_digests_are_taken_and_checked_on_request(tmp_path: Path) -> None:
    write_store(tmp_path, KNOWN)
    path = tmp_path / "000001" / "pixels.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert episode_digests(open_store(tmp_path)) == episode_digests(KNOWN)
    with pytest.raises(DataError, match="the pictures `pixels` of episode 1 as they were written"):
        open_store(tmp_path, verify=True)


def test_stores_grow_and_are_merged(tmp_path: Path) -> None:
    write_store(tmp_path / "a", KNOWN.select([0, 1]))
    before = open_store(tmp_path / "a")
    write_store(tmp_path / "a", KNOWN.select([2, 3]), append=True)
    write_store(tmp_path / "a", KNOWN.select([4]), append=True)
    assert_equal(open_store(tmp_path / "a", verify=True).load(), KNOWN)
    assert_equal(before.load(), KNOWN.select([0, 1]))  # who had it open sees what was there
    write_store(tmp_path / "b", [open_store(tmp_path / "a"), KNOWN.select([2])])
    assert_equal(open_store(tmp_path / "b", verify=True).load(), KNOWN.select([0, 1, 2, 3, 4, 2]))
    write_store(tmp_path / "b", KNOWN.select([3]), overwrite=True)
    assert_equal(open_store(tmp_path / "b", verify=True).load(), KNOWN.select([3]))
    assert len(names(tmp_path / "b")) == 2


def test_pictures_are_resized_as_a_processor_does_it(tmp_path: Path) -> None:
    known = random_episodes([6, 5], size=20)
    known = replace(known, columns={"top": known.pixels[:, :12].copy()})
    write_store(tmp_path / "s", sparing(known, 11), image_size=8)
    store = open_store(tmp_path / "s", verify=True)
    assert store.columns["top"].shape == (11, 8, 8, 3)
    processor = fit_processor(known, frameskip=1, image_size=8, parts={"top": 8})
    due, found = (
        to_batch(Windows(which, 1, frameskip=1, columns=["top"])[3], processor).observations
        for which in (known, store)
    )
    for name in ("pixels", "top"):
        half_a_level = 0.5 / 255 / min(processor.image_std) + 1e-5
        assert torch.allclose(found[name], due[name], rtol=0, atol=half_a_level)  # pyright: ignore[reportArgumentType]


def test_cameras_are_chosen_and_renamed(tmp_path: Path) -> None:
    write_store(tmp_path / "one", KNOWN, cameras=["wrist"])
    store = open_store(tmp_path / "one")
    assert store.pixels is None
    assert store.columns["wrist"].shape == KNOWN.columns["wrist"].shape
    write_store(tmp_path / "two", KNOWN, cameras={"wrist": "pixels", "pixels": "top"})
    store = open_store(tmp_path / "two")
    np.testing.assert_array_equal(store.pixels, KNOWN.columns["wrist"])
    np.testing.assert_array_equal(store.columns["top"], KNOWN.pixels)


def test_a_file_is_packed_without_being_loaded(tmp_path: Path) -> None:
    write_hdf5(tmp_path / "a.h5", KNOWN)
    write_store(tmp_path / "s", open_hdf5(tmp_path / "a.h5"))
    assert_equal(open_store(tmp_path / "s", verify=True).load(), KNOWN)


def interrupt(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Let the writing of shard number `at` fail as a full disk lets it fail."""
    left = [at]

    def failing(*arguments):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        return _shards.write_shard(*arguments)

    monkeypatch.setattr(_write, "write_shard", failing)


@pytest.mark.parametrize("mode", ["new", "append", "overwrite"])
@pytest.mark.parametrize("at", [0, 2])
def test_an_interrupted_call_goes_on(tmp_path: Path, monkeypatch, mode: str, at: int) -> None:
    options = {} if mode == "new" else {mode: True}
    folders = [tmp_path / "interrupted", tmp_path / "whole"]
    for folder in folders:
        if mode != "new":
            write_store(folder, KNOWN.select([1, 0]))
    with monkeypatch.context() as patch:
        interrupt(patch, at)
        with pytest.raises(DataError, match=r"No space left on device.*goes on from here"):
            write_store(folders[0], KNOWN, **options)
    if mode == "new":
        with pytest.raises(DataError, match="packing it was not finished"):
            open_store(folders[0])
    else:
        assert_equal(open_store(folders[0]).load(), KNOWN.select([1, 0]))
    with pytest.raises(ConfigError, match="goes on only with the episodes and options that it began with"):
        write_store(folders[0], KNOWN.select([1, 2]), append=True)
    stamps = {path: path.stat().st_mtime_ns for path in folders[0].glob("*/*.npy")}
    for folder in folders:
        write_store(folder, KNOWN, **options)
    assert names(folders[0]) == names(folders[1])
    one, other = ((folder / "index.json").read_bytes() for folder in folders)
    assert one == other
    kept = [path for path, stamp in stamps.items() if path.exists() and path.stat().st_mtime_ns == stamp]
    assert (len(kept) > 0) == (at > 0 or mode == "append")
    due = KNOWN.select([1, 0, 0, 1, 2, 3, 4]) if mode == "append" else KNOWN
    assert_equal(open_store(folders[0], verify=True).load(), due)


def test_a_film_with_equal_numbers_is_another_source(tmp_path: Path, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        interrupt(patch, 2)
        with pytest.raises(DataError):
            write_store(tmp_path, KNOWN)
    other = KNOWN.pixels.copy()
    other[0, 0, 0, 0] ^= 1
    with pytest.raises(ConfigError, match="goes on only"):
        write_store(tmp_path, replace(KNOWN, pixels=other))


def test_a_store_with_a_link_for_its_folder_opens(tmp_path: Path) -> None:
    write_store(tmp_path / "s", KNOWN)
    (tmp_path / "link").symlink_to(tmp_path / "s")
    assert_equal(open_store(tmp_path / "link").load(), KNOWN)


def test_a_file_that_shrinks_before_it_is_mapped_is_told(tmp_path: Path) -> None:
    write_store(tmp_path, KNOWN)
    store = open_store(tmp_path)
    os.truncate(tmp_path / "000000" / "pixels.npy", 150)
    with pytest.raises(DataError, match="may be truncated"):
        store.pixels[0]


def foreign(folder: Path, name: str) -> Path:
    place = folder / name
    place.mkdir(parents=True)
    (place / "thesis.txt").write_text("the only copy")
    return place / "thesis.txt"


@pytest.mark.parametrize("options", [{}, {"append": True}, {"overwrite": True}])
@pytest.mark.parametrize("kind", ["new", "store", "unfinished"])
def test_a_folder_that_the_store_does_not_name_is_refused_and_left_alone(
    tmp_path: Path, monkeypatch, options: dict, kind: str
) -> None:
    """Whatever is called by six digits; the first shard of a new store would have this name, too."""
    if kind == "store":
        write_store(tmp_path, KNOWN.select([0]))
    if kind == "unfinished":
        with monkeypatch.context() as patch:
            interrupt(patch, 0)
            with pytest.raises(DataError):
                write_store(tmp_path, KNOWN.select([0]))
    theirs = [foreign(tmp_path, name) for name in ("202411", "000000" if kind == "new" else "000003")]
    before = names(tmp_path)
    with pytest.raises(ConfigError, match=r"called by six digits.*which no file of the store names"):
        write_store(tmp_path, KNOWN, **options)
    assert all(place.read_text() == "the only copy" for place in theirs)
    assert names(tmp_path) == before


def test_what_a_dropped_call_had_begun_goes_when_another_is_complete(tmp_path: Path, monkeypatch) -> None:
    """Whatever was interrupted in between, and however often."""
    write_store(tmp_path, KNOWN.select([4, 3]))
    for at, chosen in ((2, [0, 1, 2, 3, 4]), (1, [3, 4, 2])):
        with monkeypatch.context() as patch:
            interrupt(patch, at)
            with pytest.raises(DataError):
                write_store(tmp_path, KNOWN.select(chosen), overwrite=True)
    write_store(tmp_path, KNOWN.select([2]), overwrite=True)
    assert len(names(tmp_path)) == 2
    assert_equal(open_store(tmp_path, verify=True).load(), KNOWN.select([2]))


@pytest.mark.parametrize("again", [True, False])
def test_a_call_that_ended_before_it_cleaned_up_is_cleaned_up_by_the_next(
    tmp_path: Path, monkeypatch, again: bool
) -> None:
    write_store(tmp_path, KNOWN.select([4, 3]))
    with monkeypatch.context() as patch:
        patch.setattr(_plan.shutil, "rmtree", interrupted)
        with pytest.raises(DataError, match="Input/output error"):
            write_store(tmp_path, KNOWN, overwrite=True)
    assert_equal(open_store(tmp_path).load(), KNOWN)
    if again:
        write_store(tmp_path, KNOWN, overwrite=True)
    else:
        write_store(tmp_path, KNOWN.select([0]), append=True)
    due = KNOWN if again else KNOWN.select([0, 1, 2, 3, 4, 0])
    assert_equal(open_store(tmp_path, verify=True).load(), due)
    assert len(names(tmp_path)) == len({path.parent for path in tmp_path.glob("*/pixels.npy")}) + 1
    index = json.loads((tmp_path / "index.json").read_text())
    assert names(tmp_path)[:-1] == sorted(shard["name"] for shard in index["shards"])


def interrupted(*arguments):
    raise OSError(5, "Input/output error")


def test_a_note_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "unfinished.json").write_text('{"shards": [{"name": "000000"}], "folders": ["000000"]}')
    theirs = foreign(tmp_path, "000000")
    with pytest.raises(DataError, match="that `write_store` wrote, but its format is None"):
        write_store(tmp_path, KNOWN, overwrite=True)
    assert theirs.read_text() == "the only copy"
    assert "folders" in (tmp_path / "unfinished.json").read_text()


def test_numbers_of_shards_do_not_run_over(tmp_path: Path, monkeypatch) -> None:
    write_store(tmp_path, KNOWN)
    before = (tmp_path / "index.json").read_bytes()
    monkeypatch.setattr(_plan, "MOST_SHARDS", len(names(tmp_path)))
    with pytest.raises(DataError, match=r"needs numbers of its shards below.*new folder"):
        write_store(tmp_path, KNOWN, append=True)
    assert (tmp_path / "index.json").read_bytes() == before
