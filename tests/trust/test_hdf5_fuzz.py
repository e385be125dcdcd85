"""Damaged HDF5 files end in data that hold together or in a DataError, quickly and in little memory."""

from pathlib import Path
from signal import SIGSEGV

import h5py
import numpy as np
import pytest

from benchmarks.fuzz import hdf5
from benchmarks.fuzz.harness import fuzz
from benchmarks.fuzz.isolated import run
from leworld.errors import DataError

HONEST = {"data", DataError.__name__}


def test_damaged_files_end_in_data_or_in_a_data_error() -> None:
    hdf5.valid_files()  # written once, before the clock runs
    found = fuzz(hdf5.attempt, count=250, seed=12)
    assert found.faults == {}
    assert set(found.outcomes) == HONEST
    assert min(found.outcomes.values()) > 25  # neither all refused nor all read


def test_every_valid_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "data.h5"
    for content in hdf5.valid_files():
        path.write_bytes(content)
        episodes = hdf5.read_hdf5(path)
        hdf5.check_episodes(episodes)
        assert episodes.lengths.tolist() == list(hdf5.LENGTHS)


def test_a_careless_reader_is_rejected() -> None:
    def attempt(generator: np.random.Generator, folder: Path) -> str:
        (folder / "data.h5").write_bytes(hdf5.damaged(hdf5.valid_files()[0], generator))
        with h5py.File(folder / "data.h5") as file:
            hdf5.check(file["pixels"].shape == (sum(hdf5.LENGTHS), 8, 8, 3))
        return "data"

    found = fuzz(attempt, count=30, seed=12)
    assert any("a raw" in fault for fault in found.faults.values())


def test_data_that_do_not_hold_together_are_seen() -> None:
    good = hdf5.example()
    hdf5.check_episodes(good)
    good.actions[0] = np.inf
    with pytest.raises(RuntimeError, match="do not hold together"):
        hdf5.check_episodes(good)


def test_a_crash_and_a_hang_are_seen_in_a_child() -> None:
    found = run("tests.trust.dying", count=2, seed=1, batch=1, seconds=0.5)
    assert found.outcomes["hung"] == 1
    assert found.outcomes[f"crashed with {-SIGSEGV}"] == 1
    assert len(found.faults) == 2
