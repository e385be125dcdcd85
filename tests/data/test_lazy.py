import gc
import multiprocessing
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leworld.data import (
    LazyColumn,
    Windows,
    episode_digests,
    fit_processor,
    open_hdf5,
    read_hdf5,
    write_hdf5,
)
from leworld.data._hdf5 import _lazy
from leworld.errors import DataError, LeWorldError
from tests.data.fakes import QUICK, random_episodes, sensing_episodes
from tests.data.lazy import SparingColumn, sparing
from tests.data.test_hdf5 import assert_equal

ARRAY = np.arange(7 * 2 * 2 * 3, dtype=np.uint8).reshape(7, 2, 2, 3)
NUMBERS = st.integers(-7, 6)
INDICES = (
    NUMBERS
    | st.slices(7)
    | st.lists(NUMBERS, max_size=9)
    | st.lists(st.lists(NUMBERS, min_size=2, max_size=2), min_size=1, max_size=3).map(np.array)
    | st.lists(st.booleans(), min_size=7, max_size=7).map(np.array)
)


@QUICK
@given(
    INDICES, st.sampled_from([(), (slice(None), 1), (0,), (slice(None), slice(None), slice(None, None, -1))])
)
def test_a_column_is_indexed_as_an_array_is(rows: object, rest: tuple[object, ...]) -> None:
    index = (rows, *rest) if rest else rows
    due = ARRAY[np.array(rows, int)] if isinstance(rows, list) else ARRAY[rows]  # pyright: ignore[reportArgumentType,reportCallIssue]
    due = due[(*(slice(None),) * (due.ndim - 3), *rest)] if rest else due
    found = SparingColumn(ARRAY, 7)[index]
    np.testing.assert_array_equal(found, due)
    assert found.dtype == due.dtype


@pytest.mark.parametrize("index", [7, -8, [0, 9], 0.5, "a", None, [True], np.array([[0.5]])])
def test_a_row_that_is_not_there_is_an_error(index: object) -> None:
    with pytest.raises(LeWorldError, match="row numbers between -7 and 6"):
        SparingColumn(ARRAY, 7)[index]
    assert len(list(SparingColumn(ARRAY, 7))) == 7  # so that Python's iteration ends


class Wrong(SparingColumn):
    def __init__(self, change: Callable[[np.ndarray], object]) -> None:
        super().__init__(ARRAY, 7)
        self.change = change

    def read(self, rows: np.ndarray) -> np.ndarray:
        return self.change(super().read(rows))  # pyright: ignore[reportReturnType]


@pytest.mark.parametrize(
    "change", [lambda rows: rows[:-1], lambda rows: rows.astype(int), lambda rows: rows[..., :2], list]
)
def test_a_read_of_another_form_is_told(change: Callable[[np.ndarray], object]) -> None:
    with pytest.raises(DataError, match=r"Wrong.read needs to return uint8 of shape \(2, 2, 2, 3\)"):
        Wrong(change)[[1, 3]]


def test_each_row_is_read_once() -> None:
    column = SparingColumn(ARRAY, 7)
    np.testing.assert_array_equal(column[[3, 1, 3, 1, 3]], ARRAY[[3, 1, 3, 1, 3]])
    assert column.num_read == 2


def test_episodes_on_disk_are_those_in_memory() -> None:
    known = sensing_episodes([5, 9, 4, 7])
    lazy = sparing(known, 30)
    assert "on disk" in repr(lazy)
    assert "on disk" not in repr(known)
    for one, other in (
        (lazy, known),
        (lazy.select([2, 0]), known.select([2, 0])),
        (lazy.select([3, 2, 1]).select([0, 2]), known.select([3, 1])),
        (lazy.select(slice(1, 3)), known.select(slice(1, 3))),
        *zip(lazy.split(0.3, seed=1), known.split(0.3, seed=1), strict=True),
    ):
        assert isinstance(one.pixels, LazyColumn)
        assert isinstance(one.columns["wrist"], LazyColumn)
        assert_equal(one.load(), other)
        assert episode_digests(one, ("pixels", "wrist")) == episode_digests(other, ("pixels", "wrist"))
        batch, due = (
            Windows(which, 2, frameskip=1, columns=["wrist", "reward"]).__getitems__([1, 0, 1])
            for which in (one, other)
        )
        assert (batch.pixels == due.pixels).all()
        assert (batch.observation["wrist"] == due.observation["wrist"]).all()  # pyright: ignore[reportIndexIssue]
    assert known.load() is known
    known = random_episodes([4, 5])
    fitted = [
        fit_processor(which, frameskip=1, image_statistics="fit") for which in (known, sparing(known, 1))
    ]
    assert fitted[0] == fitted[1]


@pytest.mark.parametrize("compression", ["lzf", "gzip", "none"])
def test_an_open_file_is_one_that_was_read(tmp_path: Path, compression) -> None:
    episodes = random_episodes([7, 30, 12, 50, 9], size=16)
    columns = {"top": episodes.pixels[:, ::2, ::2].copy(), "clock": np.arange(108)}
    write_hdf5(tmp_path / "a.h5", replace(episodes, columns=columns), compression=compression)
    rng = np.random.default_rng(0)
    for chosen in (None, [3, 1], slice(1, 3), [0, 0]):
        opened, read = (way(tmp_path / "a.h5", episodes=chosen) for way in (open_hdf5, read_hdf5))
        assert isinstance(opened.pixels, LazyColumn)
        assert isinstance(opened.columns["top"], LazyColumn)
        assert isinstance(opened.columns["clock"], np.ndarray)
        rows = rng.integers(0, read.num_rows, (6, 4))
        np.testing.assert_array_equal(opened.pixels[rows], read.pixels[rows])
        assert_equal(opened.load(), read)
        assert_equal(pickle.loads(pickle.dumps(opened)).load(), read)
    assert len(pickle.dumps(open_hdf5(tmp_path / "a.h5"))) < 10_000


def test_what_is_on_disk_is_written_a_part_at_a_time(tmp_path: Path) -> None:
    known = random_episodes([40, 60], size=128)  # 21 frames are a chunk
    write_hdf5(tmp_path / "a.h5", sparing(known, 21))
    assert_equal(read_hdf5(tmp_path / "a.h5"), known)


def test_an_open_file_with_the_channel_first(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (5, 3, 6, 4), np.uint8)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["pixels"], file["action"] = frames, np.array([[1], [2], [np.nan], [3], [np.nan]], np.float32)
        file["ep_len"], file["ep_offset"] = [3, 2], [0, 3]
    opened = open_hdf5(tmp_path / "a.h5")
    assert opened.pixels.shape == (5, 6, 4, 3)
    np.testing.assert_array_equal(opened.pixels[[4, 0, 2]], frames.transpose(0, 2, 3, 1)[[4, 0, 2]])


def sum_of(windows: Windows, answers) -> None:
    answers.put(int(windows.__getitems__(list(range(len(windows)))).pixels.long().sum()))


@pytest.mark.parametrize(("method", "count"), [("fork", 3), ("spawn", 1)])
def test_processes_read_by_handles_of_their_own(tmp_path: Path, method: str, count: int) -> None:
    write_hdf5(tmp_path / "a.h5", random_episodes([40, 60], size=16))
    windows = Windows(open_hdf5(tmp_path / "a.h5"), 3, frameskip=1)
    due = int(windows.__getitems__(list(range(len(windows)))).pixels.long().sum())
    context = multiprocessing.get_context(method)
    answers = context.Queue()
    children = [context.Process(target=sum_of, args=(windows, answers)) for _ in range(count)]
    for child in children:
        child.start()
    assert [answers.get(timeout=120) for _ in children] == [due] * count
    for child in children:
        child.join()


def test_an_open_file_keeps_nobody_from_it(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write_hdf5(path, random_episodes([5, 4]))
    opened = open_hdf5(path)
    first = opened.pixels[0]
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["pixels"][0], first)
    open_hdf5(path)
    with h5py.File(path, "a") as file:
        file["pixels"][0] = 7
    with pytest.raises(DataError, match="stay as it is while it is in use"):
        opened.pixels[0]
    del opened
    gc.collect()
    assert path.absolute() not in _lazy._handles
    again = open_hdf5(path)
    assert (again.pixels[0] == 7).all()
    path.unlink()
    with pytest.raises(DataError, match="moved or deleted"):
        again.pixels[0]
