"""Data that are not the user's: what a file may not do is refused by name, by every reader of files."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from inspect import isfunction, signature
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import leworld.data
from benchmarks.fuzz.hdf5 import example
from leworld.data import Episodes, action_statistics, open_hdf5, read_hdf5, write_hdf5
from leworld.errors import ConfigError, DataError

ROWS = 10
SECRET = b"TOPSECRET!" * 400
Reader = Callable[[Path], object]


def valid(path: Path, *, without: str = "") -> Path:
    """Two episodes of 5 rows, as another program writes them."""
    action = np.ones((ROWS, 2), np.float32)
    action[[4, 9]] = np.nan
    columns: dict[str, Any] = {
        "pixels": np.full((ROWS, 8, 8, 3), 7, np.uint8),
        "action": action,
        "proprio": np.ones((ROWS, 3)),
        "ep_len": [5, 5],
        "ep_offset": [0, 5],
    }
    with h5py.File(path, "w") as file:
        for name, value in columns.items():
            if name != without:
                file[name] = value
    return path


@dataclass(frozen=True)
class Case:
    """An edit of a valid file in place of one of its columns, and words that the refusal must say."""

    name: str
    column: str
    edit: Callable[[Any, Path], object]
    words: tuple[str, ...]

    def make(self, folder: Path) -> Path:
        (folder / "secret").write_bytes(SECRET)
        valid(folder / "other.h5")
        path = valid(folder / "data.h5", without=self.column)
        with h5py.File(path, "r+") as file:
            self.edit(file, folder)
        return path


def virtual(name: str, shape: tuple[int, ...], dtype: str, source: str) -> Callable[[Any, Path], None]:
    def edit(file: Any, folder: Path) -> None:
        layout = h5py.VirtualLayout(shape, dtype)
        layout[:] = h5py.VirtualSource(source, name, shape)
        file.create_virtual_dataset(name, layout)

    return edit


def typed(name: str, dtype: Any, shape: tuple[int, ...] = (ROWS, 2)) -> Callable[[Any, Path], object]:
    return lambda file, folder: file.create_dataset(name, shape, dtype)


def put(name: str, value: Any) -> Callable[[Any, Path], None]:
    return lambda file, folder: file.__setitem__(name, value)


def attribute(name: str, value: Any) -> Callable[[Any, Path], None]:
    return lambda file, folder: file.attrs.__setitem__(name, value)


def round_in_a_circle(file: Any, folder: Path) -> None:
    file["there"] = h5py.SoftLink("/action")
    file["action"] = h5py.SoftLink("/there")


def through_a_group(file: Any, folder: Path) -> None:
    """A soft link whose way leads through an external one."""
    file.create_group("policy")["out"] = h5py.ExternalLink("other.h5", "/")
    file["action"] = h5py.SoftLink("/policy/out/action")


def sparse(name: str, missing: slice, shape: tuple[int, ...], dtype: str, **options: Any) -> Any:
    def edit(file: Any, folder: Path) -> None:
        made = file.create_dataset(name, shape, dtype, chunks=(1, *shape[1:]), **options)
        for row in sorted(set(range(ROWS)) - set(range(*missing.indices(ROWS)))):
            made[row] = 0 if row not in (4, 9) or dtype == "u1" else np.nan

    return edit


def huge(file: Any, folder: Path) -> None:
    rows = 2**33
    del file["pixels"], file["proprio"], file["ep_len"], file["ep_offset"]
    file.create_dataset("pixels", (rows, 64, 64, 3), "u1", chunks=(1, 64, 64, 3))
    file.create_dataset("action", (rows, 2), "f4", chunks=(1024, 2))
    file["ep_len"], file["ep_offset"] = [5, rows - 5], [0, 5]


def bomb(file: Any, folder: Path) -> None:
    """Two chunks of 20 bytes that claim more than a gigabyte each."""
    made = file.create_dataset("action", (ROWS, 2**26), "f4", chunks=(5, 2**26), compression="gzip")
    made.id.write_direct_chunk((0, 0), b"x" * 20)
    made.id.write_direct_chunk((5, 0), b"x" * 20)


ANY_COLUMN = [  # for each of two columns: the frames, and the actions, which both readers read
    (
        "external link",
        lambda n, s, d: put(n, h5py.ExternalLink("other.h5", f"/{n}")),
        ("external", "other.h5"),
    ),
    ("external link to nothing", lambda n, s, d: put(n, h5py.ExternalLink("gone.h5", "/x")), ("gone.h5",)),
    ("dangling link", lambda n, s, d: put(n, h5py.SoftLink("/gone")), ("leads nowhere", "gone")),
    ("link to itself", lambda n, s, d: put(n, h5py.SoftLink(f"/{n}")), ("circle",)),
    ("link into a dataset", lambda n, s, d: put(n, h5py.SoftLink("/proprio/x")), ("leads nowhere",)),
    ("link to the root", lambda n, s, d: put(n, h5py.SoftLink("/")), ("group",)),
    (
        "external storage",
        lambda n, s, d: (
            lambda file, folder: file.create_dataset(
                n, s, d, external=[(str(folder / "secret"), 0, h5py.h5f.UNLIMITED)]
            )
        ),
        ("another file", "secret"),
    ),
    ("virtual", lambda n, s, d: virtual(n, s, d, "other.h5"), ("virtual dataset",)),
    ("virtual of nothing", lambda n, s, d: virtual(n, s, d, "gone.h5"), ("virtual dataset",)),
    ("virtual of itself", lambda n, s, d: virtual(n, s, d, "."), ("virtual dataset",)),
    ("group", lambda n, s, d: lambda file, folder: file.create_group(n), ("group",)),
    ("named type", lambda n, s, d: put(n, np.dtype("f4")), ("named type",)),
    ("scalar", lambda n, s, d: put(n, 3.0), ("()",)),
    ("empty", lambda n, s, d: put(n, h5py.Empty(d)), ("()",)),
    ("never written", lambda n, s, d: typed(n, d, s), ("10 of its 10 rows were never written",)),
    ("chunks never written", lambda n, s, d: sparse(n, slice(None), s, d), ("10 of its 10 rows",)),
    ("three chunks missing", lambda n, s, d: sparse(n, slice(2, 5), s, d), ("3 of its 10 rows",)),
    (
        "a compressed chunk missing",
        lambda n, s, d: sparse(n, slice(7, 8), s, d, compression="gzip"),
        ("1 of its 10 rows",),
    ),
    ("texts", lambda n, s, d: typed(n, h5py.string_dtype()), ("texts",)),
    ("short texts", lambda n, s, d: typed(n, "S5"), ("texts",)),
    ("records", lambda n, s, d: typed(n, [("r", "u1"), ("g", "u1")]), ("compound records",)),
    ("opaque", lambda n, s, d: typed(n, "V8"), ("opaque bytes",)),
    ("arrays", lambda n, s, d: typed(n, np.dtype(("f4", (2,))), (ROWS,)), ("arrays in one value",)),
    ("object references", lambda n, s, d: typed(n, h5py.ref_dtype), ("references",)),
    ("region references", lambda n, s, d: typed(n, h5py.regionref_dtype), ("references",)),
    ("lists", lambda n, s, d: typed(n, h5py.vlen_dtype(np.float32)), ("variable length",)),
    ("enumeration", lambda n, s, d: typed(n, h5py.enum_dtype({"A": 1}, "u1"), s), ("enumeration",)),
    ("complex", lambda n, s, d: typed(n, "c8", s), ("complex",)),
]
CASES = [
    *(
        Case(f"{column}: {name}", column, edit(column, shape, dtype), words)
        for column, shape, dtype in (("pixels", (ROWS, 8, 8, 3), "u1"), ("action", (ROWS, 2), "f4"))
        for name, edit, words in ANY_COLUMN
    ),
    Case("links round in a circle", "action", round_in_a_circle, ("circle",)),
    Case("a link out through a group", "action", through_a_group, ("external",)),
    Case("96 TiB", "action", huge, ("never written",)),
    Case("gigabytes in chunks of 20 bytes", "action", bomb, ("declares", "2684354560 bytes", "stores 40")),
]
OF_EPISODES = [
    *(
        Case(f"{name}: {column}", column, put(column, np.array(value)), (f"`{column}`",))
        for column in ("ep_len", "ep_offset")
        for name, value in {
            "floats": [5.0, 5.0],
            "NaN": [np.nan, 5],
            "two axes": [[5, 5]],
            "none": np.zeros(0, int),
            "scalar": 5,
            "negative": [-5, 5],
            "overflow": [2**63 - 1, 2**63 - 1],
            "unsigned overflow": np.array([2**64 - 5, 10], np.uint64),
            "beyond the end": [5, 50],
            "overlapping": [1, 2],
            "more than rows": np.arange(ROWS + 1),
            "texts": [b"5", b"5"],
        }.items()
    ),
    Case("ep_len never written", "ep_len", typed("ep_len", "i8", (2,)), ("2 of its 2 rows",)),
    Case("float pixels", "pixels", put("pixels", np.ones((ROWS, 8, 8, 3), "f4")), ("uint8", "float32")),
    Case("frames of no height", "pixels", put("pixels", np.ones((ROWS, 0, 8, 3), "u1")), ("(10, 0, 8, 3)",)),
    Case("infinite actions", "action", put("action", np.full((ROWS, 2), 1e300)), ("finite", "row 0")),
    Case("names with a line's end", "proprio", put("a\nb\x1b[31m", np.ones(ROWS)), (r"a\nb",)),
    Case("a name of 60 kB", "proprio", put("x" * 60_000, np.ones(ROWS)), ("xxx...",)),
    *(
        Case(f"attribute {name}: {str(value)[:20]}", "", attribute(name, value), (f"`{name}`",))
        for name, values in {
            "leworld_columns": [
                "", "{not json", "[1]", "{}", '"x"', "[" * 5000, '["action"]', '["proprio", "proprio"]', 3,
                np.arange(3), h5py.Empty("f4"), b"\xff\xfe", "[" + '"x",' * 400_000 + '"x"]',
            ],
            "fps": ["fast", -1, 0, np.nan, np.inf, np.arange(2), 1j, h5py.Empty("f4"), True],
            "action_choices": ["four", 0, 1, 2.5, np.nan, -3, 2**40, [3]],
            "environment_id": [3, ["a", "b"], np.zeros(3)],
        }.items()
        for value in values
    ),
    Case("a listed column is missing", "", attribute("leworld_columns", '["gone"]'), ("`gone`",)),
    Case("choices that the actions are not", "", attribute("action_choices", 2), ("one-hot",)),
]  # fmt: skip


def refused(read: Reader, path: Path, words: tuple[str, ...]) -> None:
    """Raise AssertionError unless reading ends in a DataError that names the file and says the words."""
    told = None
    try:
        got = read(path)
    except DataError as error:
        told = str(error)
    assert told is not None, f"it was read: {got!r}"
    missing = [word for word in (str(path), *words) if word not in told]
    assert not missing, f"{missing} not in: {told}"
    assert "\n" not in told
    assert len(told) < 900


def readers() -> dict[str, Reader]:
    """Every public function that reads a data file: those whose first argument is a path, and no writers."""
    return {"read_hdf5": read_hdf5, "open_hdf5": open_hdf5, "action_statistics": action_statistics}


def test_every_public_reader_of_files_is_walked_over() -> None:
    functions = [value for value in vars(leworld.data).values() if isfunction(value)]
    from_path = {f.__name__ for f in functions if next(iter(signature(f).parameters), "") == "path"}
    stores = {"write_store", "open_store", "open_episodes"}  # folders: tests/trust/test_store_fuzz.py
    sets = {"lerobot", "hdf5_groups", "zarr", "dino_wm", "minari", "swm_folder", "recordings"}
    elsewhere = stores | {f"open_{name}" for name in sets}  # tests/trust/test_reader_fuzz.py
    assert from_path - {"write_hdf5"} - elsewhere == set(readers())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_column_that_is_not_the_files_own_is_refused(case: Case, tmp_path: Path) -> None:
    path = case.make(tmp_path)
    refused(read_hdf5, path, case.words)
    if case.column == "action":
        refused(action_statistics, path, case.words if case.name != "96 TiB" else ("never written",))
    else:
        assert len(action_statistics(path).mean) == 2


@pytest.mark.parametrize("case", OF_EPISODES, ids=lambda case: case.name)
def test_what_breaks_the_layout_is_refused(case: Case, tmp_path: Path) -> None:
    refused(read_hdf5, case.make(tmp_path), case.words)


def test_a_reader_that_follows_links_is_rejected(tmp_path: Path) -> None:
    def naive(path: Path) -> Episodes:
        with h5py.File(path) as file:
            return Episodes(file["pixels"][()], file["action"][()], lengths=file["ep_len"][()])

    for case in CASES[:1]:
        with pytest.raises(AssertionError, match="it was read"):
            refused(naive, case.make(tmp_path), case.words)
    with pytest.raises(AssertionError, match="it was read"):
        refused(naive, next(c for c in CASES if c.name == "pixels: never written").make(tmp_path), ())
    with pytest.raises(KeyError):
        refused(naive, next(c for c in CASES if c.name == "pixels: dangling link").make(tmp_path), ())


def test_what_is_the_files_own_is_read(tmp_path: Path) -> None:
    """Not all that is unusual: links inside, rows that are missing but not asked for, other numbers."""
    expected = read_hdf5(valid(tmp_path / "plain.h5"))

    def same(path: Path, **options: Any) -> None:
        got = read_hdf5(path, **options)
        np.testing.assert_array_equal(got.pixels, expected.pixels[: len(got.pixels)])
        np.testing.assert_array_equal(got.actions, expected.actions[: len(got.actions)])

    path = valid(tmp_path / "links.h5")
    with h5py.File(path, "r+") as file:
        file.move("pixels", "policy")
        file["pixels"] = h5py.SoftLink("policy")
        file["state"] = file["proprio"]
        file["observation"] = h5py.SoftLink("/state")
    same(path)
    np.testing.assert_array_equal(read_hdf5(path).columns["observation"], expected.columns["proprio"])
    path = Case("", "pixels", sparse("pixels", slice(6, 8), (ROWS, 8, 8, 3), "u1"), ()).make(tmp_path)
    assert read_hdf5(path, episodes=[0]).pixels.max() == 0
    refused(lambda p: read_hdf5(p, episodes=[1]), path, ("2 of its 10 rows",))
    for dtype in (">f4", "f2", "f8", ">f8"):
        path = valid(tmp_path / f"{dtype[-2:]}.h5", without="action")
        with h5py.File(path, "r+") as file:
            file["action"] = expected.actions.astype(dtype)
        same(path)
    for dtype in (">i4", "u8", "?", "f2", "longdouble"):
        path = valid(tmp_path / "number.h5", without="proprio")
        with h5py.File(path, "r+") as file:
            file["proprio"] = np.ones(ROWS).astype(dtype)
        column = read_hdf5(path).columns["proprio"]
        assert column.dtype.isnative
        assert column.tolist() == [1] * ROWS
    for size in (512, 4096):
        write_hdf5(tmp_path / "own.h5", example(), overwrite=True)
        with (
            h5py.File(tmp_path / "own.h5") as source,
            h5py.File(tmp_path / "user.h5", "w", userblock_size=size, libver="latest") as target,
        ):
            for name in source:
                source.copy(name, target)
            for name, value in source.attrs.items():
                target.attrs[name] = value
        again = read_hdf5(tmp_path / "user.h5")
        assert set(again.columns) == {"proprio", "reward", "terminated", "wrist"}
        assert (again.fps, again.environment_id) == (10.0, "leworld/TwoRoom-v0")
    (tmp_path / "linked.h5").symlink_to(tmp_path / "plain.h5")
    same(tmp_path / "linked.h5")


def no_files(folder: Path) -> dict[str, tuple[Path, str]]:
    """Paths that lead to no HDF5 file, and a word that the refusal must say."""
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "empty").write_bytes(b"")
    (folder / "text").write_text("pixels,action\n1,2\n" * 1000)
    (folder / "packed.h5.zst").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(1000))
    content = valid(folder / "whole.h5").read_bytes()
    (folder / "cut").write_bytes(content[: len(content) // 2])
    (folder / "zeros").write_bytes(bytes(4096))
    return {
        "missing": (folder / "gone.h5", "no such file"),
        "in a file": (folder / "text" / "x.h5", "no such file"),
        "folder": (folder, "a folder"),
        "pipe": (folder / "pipe", "a pipe"),
        "device": (Path("/dev/zero"), "a device"),
        "link to itself": (folder / "loop", "exist"),
        "name too long": (folder / ("x" * 300), "exist"),
        "name with a zero": (folder / "a\0b", "exist"),
        "empty": (folder / "empty", "it is empty"),
        "text": (folder / "text", "HDF5"),
        "packed": (folder / "packed.h5.zst", ".zst"),
        "cut": (folder / "cut", "truncated"),
        "zeros": (folder / "zeros", "HDF5"),
    }


@pytest.mark.skipif(os.name == "nt", reason="pipes and links of POSIX")
@pytest.mark.parametrize("name", readers())
def test_what_is_no_data_file_is_refused_at_once(name: str, tmp_path: Path) -> None:
    for path, word in no_files(tmp_path).values():
        refused(readers()[name], path, (word,))
    for path in (None, 3, b"data.h5", ["data.h5"]):
        with pytest.raises(ConfigError, match=f"{name} needs a path"):
            readers()[name](path)  # type: ignore[arg-type]


def test_a_file_that_is_being_written_is_refused(tmp_path: Path) -> None:
    path = valid(tmp_path / "busy.h5")
    script = (
        "import h5py, sys\n"
        "with h5py.File(sys.argv[1], 'r+') as file:\n"
        "    print('open', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        for read in readers().values():
            refused(read, path, ("closed by the program that writes it",))
        writer.communicate()
    assert len(read_hdf5(path)) == 2


def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = valid(tmp_path / "data.h5")
    check = leworld.data._hdf5._stored.StoredColumn.check

    def write_meanwhile(self: Any, runs: Any) -> None:
        with path.open("ab") as stream:
            stream.write(b"more")
        check(self, runs)

    monkeypatch.setattr(leworld.data._hdf5._stored.StoredColumn, "check", write_meanwhile)
    for read in readers().values():
        refused(read, path, ("while it is read",))


def test_an_unreadable_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read everything, so h5py says what it would say to others."""

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = valid(tmp_path / "data.h5")
    monkeypatch.setattr(h5py, "File", denied)
    for read in readers().values():
        refused(read, path, ("Permission denied",))


def test_a_link_that_only_its_writer_knows_is_refused(tmp_path: Path) -> None:
    """The type of an external link, 64, changed to a class of links that nobody has registered."""
    path = Case("", "action", put("action", h5py.ExternalLink("other.h5", "/action")), ()).make(tmp_path)
    content = bytearray(path.read_bytes())
    place = content.index(b"action", content.index(b"\x40"))
    while content[place - 2] != 64 and content[place - 10] != 64:
        place = content.index(b"action", place + 1)
    kind = place - 2 if content[place - 2] == 64 else place - 10
    content[kind] = 70
    path.write_bytes(content)
    refused(read_hdf5, path, ("only its writer knows",))


def test_a_full_disk_leaves_the_old_file_and_nothing_half(tmp_path: Path) -> None:
    """Here no file may grow beyond a limit, which the system tells as it does a full disk."""
    resource = pytest.importorskip("resource")  # POSIX
    path = tmp_path / "data.h5"
    write_hdf5(path, example().select([0]))
    before = open_files()
    for limit in (0, 1000, 5000):
        for compression in ("none", "gzip", "lzf"):
            usual = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, usual[1]))
            try:
                with pytest.raises(DataError, match=r"write_hdf5 needs to write .* too large"):
                    write_hdf5(path, example(), compression=compression, overwrite=True)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert open_files() == before  # libhdf5 holds on to a file that it cannot close
    assert os.listdir(tmp_path) == ["data.h5"]
    assert len(read_hdf5(path)) == 1


def open_files() -> int:
    """How many files this process has open; 0 where the system does not say."""
    place = Path("/proc/self/fd")
    return len(os.listdir(place)) if place.is_dir() else 0


def test_where_nothing_may_be_written_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "data.h5").mkdir()
    (tmp_path / "loose.h5").symlink_to(tmp_path / "gone")
    for path, error, words in (
        (tmp_path / "data.h5", ConfigError, "a folder"),
        (tmp_path / "loose.h5", ConfigError, "overwrite=True"),
        (tmp_path / "gone" / "x.h5", ConfigError, "no folder"),
        (tmp_path / "a\0b.h5", (ConfigError, DataError), "write_hdf5"),
        (tmp_path / ("x" * 300 + ".h5"), (ConfigError, DataError), "write_hdf5"),
        (None, ConfigError, "path"),
    ):
        with pytest.raises(error, match=words):
            write_hdf5(path, example(), overwrite=False)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="a folder"):
        write_hdf5(tmp_path / "data.h5", example(), overwrite=True)
    assert sorted(os.listdir(tmp_path)) == ["data.h5", "loose.h5"]
