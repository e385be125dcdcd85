"""`read_hdf5` and `action_statistics` on damaged files: data that hold together, or a DataError."""

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from leworld.data import Episodes, action_statistics, read_hdf5, write_hdf5

File = Any  # an h5py.File, whose types for what it holds are too wide for these edits
LENGTHS = (5, 3, 4)
MARKS = (
    b"TREE",
    b"SNOD",
    b"HEAP",
    b"OHDR",
    b"OCHK",
    b"FRHP",
    b"GCOL",
    b"FADB",
    b"FAHD",
    b"pixels",
    b"action",
)
DTYPES = ("u1", "i8", ">f4", "f2", "f8", "c8", "?", "S4", "V3", [("x", "f4")], h5py.string_dtype())


def attempt(generator: np.random.Generator, folder: Path) -> str:
    """Damage one of the valid files and read it, in one of the ways that there are."""
    path = folder / "data.h5"
    content = valid_files()[int(generator.integers(len(valid_files())))]
    if generator.random() < 0.35:
        path.write_bytes(content)
        change(path, generator)
    else:
        path.write_bytes(damaged(content, generator))
    if generator.random() < 0.2:
        statistics = action_statistics(path)
        check(len(statistics.mean) == len(statistics.std) > 0 and bool(np.isfinite(statistics.mean).all()))
        return "data"
    chosen = slice(int(generator.integers(3)), None) if generator.random() < 0.3 else None
    check_episodes(read_hdf5(path, episodes=chosen))
    return "data"


def check_episodes(episodes: Episodes) -> None:
    """Raise RuntimeError unless lengths, rows and actions agree with one another."""
    rows = int(episodes.lengths.sum())
    check(episodes.lengths.min() >= 1 and len(episodes.actions) == rows)
    check(episodes.pixels is None or (len(episodes.pixels) == rows and episodes.pixels.dtype == np.uint8))
    check(all(len(column) == rows and column.dtype.kind in "biuf" for column in episodes.columns.values()))
    inner = np.delete(episodes.actions, episodes.offsets + episodes.lengths - 1, axis=0)
    check(bool(np.isfinite(inner).all()))


def check(holds: bool) -> None:
    """Raise RuntimeError, which the loop counts as a fault, unless `holds`."""
    if not holds:
        raise RuntimeError("data that do not hold together were read")


@functools.cache
def valid_files() -> tuple[bytes, ...]:
    """Return the bytes of small valid files of every layout that users have."""
    episodes = example()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "valid.h5"
        contents = []
        for compression in ("none", "gzip", "lzf"):
            write_hdf5(path, episodes, compression=compression, overwrite=True)
            contents.append(path.read_bytes())
        write_hdf5(path, example(pixels=False), overwrite=True)
        contents.append(path.read_bytes())
        for library, user_block in (("earliest", 0), ("latest", 0), ("earliest", 1024), ("v110", 512)):
            with h5py.File(path, "w", libver=library, userblock_size=user_block) as file:
                _recorded(file, episodes)
            contents.append(path.read_bytes())
    return tuple(contents)


def example(*, pixels: bool = True) -> Episodes:
    """Return small episodes with two cameras, vectors, rewards and ends, or with vectors and choices only."""
    rng = np.random.default_rng(0)
    films = [rng.integers(0, 256, (n, 8, 8, 3), dtype=np.uint8) for n in LENGTHS]
    columns = {
        "proprio": [rng.normal(size=(n, 3)) for n in LENGTHS],
        "reward": [np.where(np.arange(n) == n - 1, np.nan, 1.0) for n in LENGTHS],
        "terminated": [np.arange(n) == n - 1 for n in LENGTHS],
    }
    if not pixels:
        choices = [rng.integers(0, 3, n - 1) for n in LENGTHS]
        return Episodes.from_trajectories(None, choices, columns=columns, action_choices=3)
    actions = [rng.normal(size=(n - 1, 2)) for n in LENGTHS]
    return Episodes.from_trajectories(
        films, actions, columns={**columns, "wrist": films}, environment_id="leworld/TwoRoom-v0", fps=10
    )


def _recorded(file: File, episodes: Episodes) -> None:
    """Write as a recorder of stable-worldmodel does: columns that grow, in chunks, compressed."""
    for name, value in {"pixels": episodes.pixels, "action": episodes.actions, **episodes.columns}.items():
        if name != "wrist":
            file.create_dataset(
                name, data=value, chunks=(1, *value.shape[1:]), maxshape=(None, *value.shape[1:]),
                compression="gzip", shuffle=name == "action", fletcher32=name == "proprio",
            )  # fmt: skip
    file["ep_len"], file["ep_offset"] = episodes.lengths, episodes.offsets
    file["policy"] = ["expert"] * episodes.num_rows


def damaged(content: bytes, generator: np.random.Generator) -> bytes:
    """Return the bytes with some of them changed, cut off, put in, doubled or set to one value."""
    data = bytearray(content)
    way = generator.choice(["bytes", "bits", "marked", "cut", "insert", "double", "fill", "swap"])
    start = int(generator.integers(len(data)))
    length = int(generator.integers(1, 64))
    if way in ("bytes", "bits", "marked"):
        for _ in range(int(generator.integers(1, 9))):
            place = int(generator.integers(len(data)))
            if way == "marked":
                place = _near_mark(content, generator)
            new = int(generator.choice([0, 1, 127, 128, 255, int(generator.integers(256))]))
            data[place] = data[place] ^ (1 << int(generator.integers(8))) if way == "bits" else new
    elif way == "cut":
        del data[start:]
    elif way == "insert":
        data[start:start] = generator.bytes(length)
    elif way == "double":
        data[start:start] = data[start : start + length]
    elif way == "fill":
        data[start : start + length] = bytes([int(generator.choice([0, 255]))]) * len(
            data[start : start + length]
        )
    else:
        other = int(generator.integers(len(data)))
        one, two = data[start : start + length], data[other : other + length]
        data[start : start + len(two)], data[other : other + len(one)] = two, one
    return bytes(data)


def _near_mark(content: bytes, generator: np.random.Generator) -> int:
    """Return a place in the structures of the format, which are a small part of a file."""
    found = [place for mark in MARKS if (place := content.find(mark)) >= 0] or [0]
    return min(len(content) - 1, int(generator.choice(found)) + int(generator.integers(96)))


def change(path: Path, generator: np.random.Generator) -> None:
    """Change the structure of a valid file by one or two edits through h5py."""
    with h5py.File(path, "r+") as opened:
        file: File = opened
        for _ in range(int(generator.integers(1, 3))):
            name = str(generator.choice([*file]))
            edit = EDITS[int(generator.integers(len(EDITS)))]
            try:
                if isinstance(file[name], h5py.Dataset) and file[name].size < 3_000:  # not grown before
                    edit(file, name, generator)
            except (TypeError, ValueError, LookupError, AttributeError, OSError, RuntimeError):
                continue  # h5py itself refuses this edit of this column


Edit = Callable[[File, str, np.random.Generator], object]


def _retype(file: File, name: str, generator: np.random.Generator) -> None:
    shape, dtype = file[name].shape, DTYPES[int(generator.integers(len(DTYPES)))]
    del file[name]
    made = file.create_dataset(name, shape, dtype)
    made[...] = 1


def _reshape(file: File, name: str, generator: np.random.Generator) -> None:
    value = file[name][()]
    del file[name]
    shapes = [(-1,), (1, -1), (len(value), -1), (len(value), -1, 1), value.shape[::-1]]
    file[name] = value.reshape(shapes[int(generator.integers(len(shapes)))])


def _cut(file: File, name: str, generator: np.random.Generator) -> None:
    value = file[name][()]
    del file[name]
    file[name] = value[: int(generator.integers(len(value) + 1))]


def _grow(file: File, name: str, generator: np.random.Generator) -> None:
    for column in (
        [name] if generator.random() < 0.5 else [n for n in file if not n.startswith(("ep_", "policy"))]
    ):
        if isinstance(file[column], h5py.Dataset) and file[column].size < 3_000:
            file[column].resize(int(10 ** generator.uniform(1, 14)), axis=0)


def _declare(file: File, name: str, generator: np.random.Generator) -> None:
    shape, dtype = list(file[name].shape), file[name].dtype
    shape[int(generator.integers(len(shape)))] = int(10 ** generator.uniform(1, 12))
    del file[name]
    chunks = tuple(min(size, int(generator.integers(1, 100_000))) for size in shape)
    file.create_dataset(name, shape, dtype, chunks=chunks if generator.random() < 0.7 else None)


def _punch(file: File, name: str, generator: np.random.Generator) -> None:
    value = file[name][()]
    del file[name]
    made = file.create_dataset(
        name, value.shape, value.dtype, chunks=(1, *value.shape[1:]), compression="lzf"
    )
    for row in range(len(value)):
        if generator.random() < 0.8:
            made[row] = value[row]


def _link(file: File, name: str, generator: np.random.Generator) -> None:
    targets = ["/nowhere", f"/{name}", "/action", "pixels", "/", ".", "..", "/action/x"]
    del file[name]
    target = targets[int(generator.integers(len(targets)))]
    file[name] = h5py.SoftLink(target) if generator.random() < 0.7 else h5py.ExternalLink("/dev/zero", target)


def _elsewhere(file: File, name: str, generator: np.random.Generator) -> None:
    shape, dtype = file[name].shape, file[name].dtype
    del file[name]
    if generator.random() < 0.5:
        file.create_dataset(name, shape, dtype, external=[("/etc/hostname", 0, h5py.h5f.UNLIMITED)])
    else:
        layout = h5py.VirtualLayout(shape, dtype)
        layout[:] = h5py.VirtualSource("/etc/hostname", name, shape)
        file.create_virtual_dataset(name, layout)


def _attribute(file: File, name: str, generator: np.random.Generator) -> None:
    values: list[Any] = [
        "", "{", "[1]", '["action"]', '["x"]', "[" * 5000, "1e999", -1, 0, 2, np.nan, np.inf, 1e300, 2**63,
        np.arange(3), True, 1j, b"\xff\xfe", h5py.Empty("f4"), ["a", "b"], np.zeros((2, 2)), file.ref,
    ]  # fmt: skip
    key = str(generator.choice(["leworld_columns", "fps", "action_choices", "environment_id"]))
    file.attrs[key] = values[int(generator.integers(len(values)))]


def _index(file: File, _: str, generator: np.random.Generator) -> None:
    name = str(generator.choice(["ep_len", "ep_offset"]))
    values = file[name][:100].astype(np.int64)
    wrong = [-1, 0, 2**62, 2**63 - 1, -(2**63), 3, 12, 13]
    values[int(generator.integers(len(values)))] = int(generator.choice(wrong))
    dtype = str(generator.choice(["i8", "u8", "f8", ">i4", "i1"]))
    del file[name]
    file[name] = values.astype(dtype)


def _values(file: File, name: str, generator: np.random.Generator) -> None:
    value = file[name][()].astype(np.float64)
    value.flat[int(generator.integers(value.size))] = float(
        generator.choice([np.nan, np.inf, 1e300, -1, 0.5])
    )
    file[name][...] = value


def _rename(file: File, name: str, generator: np.random.Generator) -> None:
    names = [
        "propio",
        "x" * 60_000,
        "\n",
        "ünï",
        "pixels_top",
        "pixels",
        "reward",
        "goal",
        "policy",
        "variation_x",
    ]
    file.move(name, str(generator.choice(names)))


EDITS: tuple[Edit, ...] = (
    _retype, _reshape, _cut, _grow, _declare, _punch, _link, _elsewhere, _attribute, _index, _values, _rename,
    lambda file, name, generator: file.__delitem__(name),
    lambda file, name, generator: (file.__delitem__(name), file.create_group(name)),
    lambda file, name, generator: (file.__delitem__(name), file.__setitem__(name, np.dtype("f4"))),
    lambda file, name, generator: (file.__delitem__(name), file.__setitem__(name, h5py.Empty("f4"))),
    lambda file, name, generator: (file.__delitem__(name), file.__setitem__(name, 3.0)),
)  # fmt: skip
