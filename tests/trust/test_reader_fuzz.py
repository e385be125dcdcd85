"""Damaged data sets of other programs end in data that hold together or in a DataError, quickly and small."""

import functools
import json
import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.fuzz.harness import fuzz
from benchmarks.fuzz.hdf5 import check, check_episodes, damaged
from benchmarks.fuzz.store import VALUES
from leworld.data import open_episodes
from leworld.errors import DataError
from tests.data.other_sets import dino_wm, minari, recordings, swm_folder, zarr_buffer
from tests.data.robot_sets import RobotSet, lerobot, numbers_in

KNOWN = RobotSet([4, 3])
TWO = ("observation.images.top", "observation.images.wrist")
SETS: dict[str, Callable[[Path], Path]] = {
    "lerobot 3": lambda path: lerobot(path, KNOWN, cameras=TWO),
    "lerobot 2": lambda path: lerobot(path, KNOWN, version="v2.1"),
    "lerobot pictures": lambda path: lerobot(path, KNOWN, kind="image"),
    "zarr": lambda path: zarr_buffer(path, KNOWN, floats=False),
    "dino_wm": lambda path: dino_wm(path, KNOWN, tensors=True),
    "minari": lambda path: minari(path, KNOWN, discrete=True),
    "swm folder": lambda path: swm_folder(path, KNOWN),
    "swm video": lambda path: swm_folder(path, KNOWN, video=True),
    "recordings": lambda path: recordings(path, KNOWN, whole=True),
}


@functools.cache
def valid(name: str) -> dict[str, bytes]:
    """Return the files of a small set."""
    with tempfile.TemporaryDirectory() as folder:
        place = SETS[name](Path(folder) / "s")
        files = (path for path in place.rglob("*") if path.is_file())
        return {str(path.relative_to(place)): path.read_bytes() for path in files}


def attempt(generator: np.random.Generator, folder: Path) -> str:
    """Damage a valid set somewhere and open it; where that succeeds, look at all of it."""
    content = valid(list(SETS)[int(generator.integers(len(SETS)))])
    place = folder / "s"
    for name, raw in content.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(raw)
    names = sorted(content)
    texts = [name for name in names if name.endswith((".json", ".zarray"))]
    way = generator.random()
    name = names[int(generator.integers(len(names)))]
    if way < 0.3 and texts:
        edit_json(place / texts[int(generator.integers(len(texts)))], generator)
    elif way < 0.7:
        (place / name).write_bytes(damaged(content[name], generator))
    else:
        replace(place, name, content[names[int(generator.integers(len(names)))]], generator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        episodes = open_episodes(place)
        check_episodes(episodes)
        check_episodes(episodes.load())
    return "data"


def edit_json(path: Path, generator: np.random.Generator) -> None:
    """Exchange or drop a value somewhere."""
    content = json.loads(path.read_text())
    at: Any = content
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        key = keys[int(generator.integers(len(keys)))]
        if not (isinstance(at[key], dict | list) and at[key] and generator.random() < 0.8):
            break
        at = at[key]
    if generator.random() < 0.2:
        del at[key]
    else:
        at[key] = VALUES[int(generator.integers(len(VALUES)))]
    path.write_text(json.dumps(content))


def replace(place: Path, name: str, other: bytes, generator: np.random.Generator) -> None:
    """Put something else in the place of a file."""
    path, way = place / name, generator.choice(["delete", "pipe", "link", "folder", "swap", "grow"])
    if way == "swap":
        path.write_bytes(other)
    elif way == "grow":
        os.truncate(path, int(10 ** generator.uniform(1, 11)))
    else:
        path.unlink()
        if way == "pipe":
            os.mkfifo(path)
        elif way == "link":
            (place.parent / "outside").write_bytes(valid_bytes(name))
            path.symlink_to(place.parent / "outside")
        elif way == "folder":
            path.mkdir()


def valid_bytes(name: str) -> bytes:
    return next(content[name] for content in map(valid, SETS) if name in content)


def test_damaged_sets_end_in_data_or_in_a_data_error() -> None:
    for name in SETS:
        valid(name)  # written once, before the clock runs
        with tempfile.TemporaryDirectory() as folder:
            open_episodes(SETS[name](Path(folder) / "s")).load()  # and every library imported
    found = fuzz(attempt, count=180, seed=5, max_seconds=4.0, max_mebibytes=200.0)
    assert found.faults == {}
    assert set(found.outcomes) == {"data", DataError.__name__}
    assert min(found.outcomes.values()) > 15


@pytest.mark.parametrize("name", SETS)
def test_a_valid_set_is_whole(name: str, tmp_path: Path) -> None:
    episodes = open_episodes(SETS[name](tmp_path / "s"))
    film = episodes.columns["top"] if episodes.pixels is None else episodes.pixels
    assert numbers_in(film[:]).tolist() == list(range(7))


def test_a_reader_that_believes_what_files_say_is_rejected(tmp_path: Path) -> None:
    """The check of what was read sees rows that episodes do not have."""
    episodes = open_episodes(SETS["zarr"](tmp_path / "s"))
    vars(episodes)["lengths"] = episodes.lengths + 1
    with pytest.raises(RuntimeError):
        check_episodes(episodes)
    with pytest.raises(RuntimeError):
        check(False)
