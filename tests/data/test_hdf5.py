import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leworld.data import Episodes, read_hdf5, write_hdf5
from leworld.errors import ConfigError, DataError, MissingExtraError
from tests.data.fakes import QUICK, random_episodes, tagged_episodes


def assert_equal(one: Episodes, other: Episodes) -> None:
    for field in ("pixels", "actions", "lengths"):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field))
        assert getattr(one, field).dtype == getattr(other, field).dtype
    assert set(one.columns) == set(other.columns)
    for name, column in one.columns.items():
        np.testing.assert_array_equal(column, other.columns[name])
        assert column.dtype == other.columns[name].dtype
    assert one.environment_id == other.environment_id


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/.\x00"), min_size=1, max_size=8).filter(
    lambda name: name not in {"pixels", "action", "ep_len", "ep_offset", "ep_idx", "step_idx"}
)
DTYPES = st.sampled_from(["float32", "float64", "int32", "int64", "uint8", "bool"])


@settings(QUICK, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=5),
    st.dictionaries(NAMES, st.tuples(DTYPES, st.sampled_from([(), (1,), (3,), (2, 2)])), max_size=3),
    st.sampled_from(["lzf", "gzip", "none"]),
    st.none() | st.just("leworld/TwoRoom-v0"),
)
def test_what_is_written_is_read(tmp_path: Path, lengths, columns, compression, environment_id) -> None:
    rng = np.random.default_rng(0)
    rows = sum(lengths)
    source = random_episodes(lengths, action_dim=3)
    episodes = Episodes(
        source.pixels,
        source.actions,
        lengths=source.lengths,
        columns={name: rng.normal(0, 9, (rows, *s)).astype(d) for name, (d, s) in columns.items()},
        environment_id=environment_id,
    )
    path = tmp_path / "data.h5"
    write_hdf5(path, episodes, compression=compression, overwrite=True)
    assert_equal(read_hdf5(path), episodes)
    assert [item.name for item in tmp_path.iterdir()] == ["data.h5"]


@settings(QUICK, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.integers(1, 4), min_size=1, max_size=6), st.data())
def test_reading_some_is_reading_all_and_choosing(
    tmp_path: Path, lengths: list[int], data: st.DataObject
) -> None:
    episodes = tagged_episodes(lengths)
    chosen = data.draw(
        st.lists(st.integers(-len(lengths), len(lengths) - 1), min_size=1, max_size=6)
        | st.integers(0, len(lengths) - 1).map(lambda start: slice(start, None))
        | st.just(slice(None, None, -1))
    )
    write_hdf5(tmp_path / "data.h5", episodes, overwrite=True)
    assert_equal(read_hdf5(tmp_path / "data.h5", episodes=chosen), episodes.select(chosen))


def test_the_layout_is_that_of_stable_worldmodel(tmp_path: Path) -> None:
    episodes = tagged_episodes([3, 5, 2])
    write_hdf5(tmp_path / "data.h5", episodes)
    with h5py.File(tmp_path / "data.h5") as file:
        assert set(file) == {"pixels", "action", "state", "ep_len", "ep_offset", "ep_idx", "step_idx"}
        assert file["pixels"].dtype == np.uint8
        assert file["pixels"].shape == (10, 2, 2, 3)
        assert file["action"].dtype == np.float32
        assert file["ep_len"][()].tolist() == [3, 5, 2]
        assert file["ep_offset"][()].tolist() == [0, 3, 8]
        assert file["ep_idx"][()].tolist() == [0] * 3 + [1] * 5 + [2] * 2
        assert file["step_idx"][()].tolist() == [0, 1, 2, 0, 1, 2, 3, 4, 0, 1]


def write_raw(path: Path, **changes: object) -> Path:
    """A file as another program would write it: episodes of 3 and 2 rows, columns changed or left out."""
    columns: dict[str, object] = {
        "pixels": np.arange(5 * 8 * 8 * 3, dtype=np.uint8).reshape(5, 8, 8, 3),
        "action": np.array([[1], [2], [np.nan], [3], [np.nan]], np.float32),
        "ep_len": np.array([3, 2], np.int32),
        "ep_offset": np.array([0, 3], np.int64),
    }
    with h5py.File(path, "w") as file:
        for name, value in (columns | changes).items():
            if isinstance(value, str):
                file.create_group(value)
            elif value is not None:
                file.create_dataset(name, data=value)
    return path


def test_a_foreign_file_with_published_columns(tmp_path: Path) -> None:
    path = write_raw(
        tmp_path / "two_room.h5",
        proprio=np.zeros((5, 2)),
        pos_agent=np.zeros((5, 2)),
        goal_state=np.zeros((5, 2)),
        privileged_block_0_pos=np.zeros((5, 3)),
        reward=np.zeros(5),
        terminated=np.zeros(5, bool),
        ep_idx=np.zeros(5, int),
        step_idx=np.zeros(5, int),
        render_time=np.zeros(5),
        goal=np.zeros((5, 8, 8, 3), np.uint8),
    )
    episodes = read_hdf5(path, environment_id="swm/TwoRoom-v1")
    wanted = {"proprio", "pos_agent", "goal_state", "privileged_block_0_pos", "reward", "terminated"}
    assert set(episodes.columns) == wanted
    assert episodes.environment_id == "swm/TwoRoom-v1"
    assert set(read_hdf5(path, extra_columns=["goal", "step_idx"]).columns) == wanted | {"goal", "step_idx"}


def test_channel_first_frames_are_turned(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (600, 5, 8, 3), dtype=np.uint8)
    path = write_raw(
        tmp_path / "chw.h5",
        pixels=frames.transpose(0, 3, 1, 2),
        action=np.zeros((600, 1), np.float32),
        ep_len=[300, 300],
        ep_offset=[0, 300],
    )
    np.testing.assert_array_equal(read_hdf5(path).pixels, frames)
    np.testing.assert_array_equal(read_hdf5(path, episodes=[1]).pixels, frames[300:])


def test_episodes_may_lie_in_any_order(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "order.h5", ep_len=[2, 3], ep_offset=[3, 0])
    episodes = read_hdf5(path)
    assert episodes.actions[:2].tolist()[0] == [3.0]
    assert episodes.lengths.tolist() == [2, 3]


def test_a_part_is_read_without_the_rest(tmp_path: Path) -> None:
    episodes = random_episodes([20] * 100, size=32)
    write_hdf5(tmp_path / "big.h5", episodes)
    tracemalloc.start()
    part = read_hdf5(tmp_path / "big.h5", episodes=slice(40, 42))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert_equal(part, episodes.select(slice(40, 42)))
    assert peak < episodes.pixels.nbytes / 10


FLOAT_PIXELS = np.full((5, 8, 8, 3), 0.5, np.float32)
NAN_PIXELS = np.where(np.arange(8)[:, None, None] == 3, np.float32(np.nan), FLOAT_PIXELS)
BROKEN: dict[str, tuple[dict[str, object], tuple[str, ...]]] = {
    "no pixels": ({"pixels": None}, ("`pixels`", "`action`, `ep_len`, `ep_offset`")),
    "no lengths": ({"ep_len": None}, ("`ep_len`",)),
    "unknown column": (
        {"propio": np.zeros((5, 2))},
        ("`propio`", "Did you mean `proprio`?", "extra_columns"),
    ),
    "group": ({"state": "state"}, ("`state` is a group",)),
    "float pixels": ({"pixels": FLOAT_PIXELS}, ("`pixels`", "float32", "uint8")),
    "NaN pixels": ({"pixels": NAN_PIXELS}, ("`pixels`", "24 NaN", "uint8")),
    "grey pixels": ({"pixels": np.zeros((5, 8, 8), np.uint8)}, ("`pixels`", "(5, 8, 8)")),
    "too few actions": ({"action": np.zeros((4, 1), np.float32)}, ("`action`", "(4, 1)", "5 rows")),
    "too many states": ({"state": np.zeros((6, 1))}, ("`state`", "(6, 1)", "5 rows")),
    "integer actions": ({"action": np.zeros((5, 1), int)}, ("`action`", "int64", "floating-point")),
    "flat actions": ({"action": np.zeros(5, np.float32)}, ("`action`", "(5,)")),
    "NaN action inside": (
        {"action": np.array([[1], [np.nan], [np.nan], [3], [np.nan]], np.float32)},
        ("`action`", "row 1"),
    ),
    "float lengths": ({"ep_len": np.array([3.0, 2.0])}, ("`ep_len`", "float64", "integer")),
    "one offset missing": ({"ep_offset": np.array([0])}, ("`ep_len`", "`ep_offset`", "2 and 1")),
    "rows left over": ({"ep_len": np.array([3, 1])}, ("`ep_len`", "5 rows", "cover 4")),
    "rows beyond the end": ({"ep_len": np.array([3, 3])}, ("5 rows", "cover 6")),
    "gap": ({"ep_offset": np.array([0, 4])}, ("episode 1", "offset 4")),
    "overlap": ({"ep_offset": np.array([0, 2])}, ("episode 1", "offset 2")),
    "empty episode": ({"ep_len": [3, 0, 2], "ep_offset": [0, 3, 3]}, ("episode 1", "length 0")),
    "no episodes": ({"ep_len": np.zeros(0, int), "ep_offset": np.zeros(0, int)}, ("`ep_len`", "(0,)")),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_by_name(tmp_path: Path, name: str) -> None:
    changes, words = BROKEN[name]
    path = write_raw(tmp_path / "broken.h5", **changes)
    with pytest.raises(DataError) as caught:
        read_hdf5(path)
    for word in (str(path), *words):
        assert word in str(caught.value)


def test_unknown_columns_load_when_named(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "more.h5", force=np.ones((5, 6), np.float16))
    assert read_hdf5(path, extra_columns=["force"]).columns["force"].dtype == np.float16
    with pytest.raises(DataError, match="a column `torque`"):
        read_hdf5(path, extra_columns=["force", "torque"])


def test_texts_are_skipped_unless_named(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "text.h5", variation_colour=["red"] * 5)
    assert not read_hdf5(path).columns
    with pytest.raises(DataError, match="`variation_colour` to be numbers"):
        read_hdf5(path, extra_columns=["variation_colour"])


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "cut.h5"
    write_hdf5(path, random_episodes([9, 9]))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DataError, match=r"cut\.h5 needs to be a complete HDF5 file"):
        read_hdf5(path)


def test_damaged_frames_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "damaged.h5"
    write_hdf5(path, random_episodes([9, 9]), compression="gzip")
    with h5py.File(path) as file:
        chunk = file["pixels"].id.get_chunk_info(0)
    with open(path, "r+b") as raw:
        raw.seek(chunk.byte_offset)
        raw.write(b"\x00" * min(64, chunk.size))
    with pytest.raises(DataError, match=r"damaged\.h5 needs readable data in `pixels`"):
        read_hdf5(path)


def test_a_missing_filter_names_the_package(tmp_path: Path) -> None:
    path = tmp_path / "blosc.h5"
    write_raw(path, pixels=None)
    with h5py.File(path, "r+") as file:
        settings_ = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        settings_.set_chunk((1, 8, 8, 3))
        settings_.set_filter(32001, h5py.h5z.FLAG_OPTIONAL, ())
        space = h5py.h5s.create_simple((5, 8, 8, 3))
        h5py.h5d.create(file.id, b"pixels", h5py.h5t.NATIVE_UINT8, space, settings_)
    if h5py.h5z.filter_avail(32001):
        pytest.skip("this h5py has Blosc")
    with pytest.raises(MissingExtraError, match=r"blosc\.h5 .*Blosc \(32001\) for `pixels`.*hdf5plugin"):
        read_hdf5(path)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "data.h5"
    old = tagged_episodes([3, 3])
    write_hdf5(path, old)

    def fail(source: object, target: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(DataError, match="disk full"):
        write_hdf5(path, tagged_episodes([5]), overwrite=True)
    assert_equal(read_hdf5(path), old)
    assert [item.name for item in tmp_path.iterdir()] == ["data.h5"]


def test_an_existing_file_is_not_replaced_unasked(tmp_path: Path) -> None:
    path = tmp_path / "data.h5"
    write_hdf5(path, tagged_episodes([3]))
    with pytest.raises(ConfigError, match="overwrite=True"):
        write_hdf5(path, tagged_episodes([4]))
    write_hdf5(path, tagged_episodes([4]), overwrite=True)
    assert read_hdf5(path).lengths.tolist() == [4]


@pytest.mark.parametrize("call", [lambda p: read_hdf5(p), lambda p: write_hdf5(p, tagged_episodes([2]))])
def test_without_h5py_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Callable[[Path], object]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(MissingExtraError, match=r"leworld\[train\]"):
        call(tmp_path / "data.h5")


@pytest.mark.parametrize("compression", [None, "lzf"])
def test_runs_that_share_a_chunk_are_read(tmp_path: Path, compression) -> None:
    """They were refused once: the chunk was counted for each of them, and the file was too small for that."""
    episodes = random_episodes([7, 3, 5, 4], size=16)
    write_hdf5(tmp_path / "data.h5", episodes, compression="none")
    with h5py.File(tmp_path / "data.h5", "r+") as file:
        assert file["pixels"].chunks is None  # so that a frame costs its own bytes
        del file["pixels"]
        file.create_dataset("pixels", data=episodes.pixels, chunks=(8, 16, 16, 3), compression=compression)
    assert_equal(read_hdf5(tmp_path / "data.h5", episodes=[2, 0]), episodes.select([2, 0]))
