"""Damaged packed stores end in data that hold together or in a DataError, quickly and in little memory."""

import pytest

from benchmarks.fuzz import store
from benchmarks.fuzz.harness import fuzz
from leworld.data import open_store
from leworld.errors import DataError
from tests.trust.killing import kills


def test_damaged_stores_end_in_data_or_in_a_data_error() -> None:
    store.valid_store()  # written once, before the clock runs
    found = fuzz(store.attempt, count=300, seed=3, max_seconds=2.0, max_mebibytes=100.0)
    assert found.faults == {}
    assert set(found.outcomes) == {"data", DataError.__name__}
    assert min(found.outcomes.values()) > 20


def test_the_valid_store_is_whole(tmp_path) -> None:
    for name, content in store.valid_store().items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert sum(name.endswith("pixels.npy") for name in store.valid_store()) == 2
    store.check_all(open_store(tmp_path, verify=True), verify=True)


def test_pictures_that_nobody_wrote_are_seen() -> None:
    """The check of content rejects a flipped byte that was taken for data."""
    episodes = store.example()
    episodes.pixels[3, 0, 0, 0] ^= 1
    with pytest.raises(RuntimeError, match="do not hold together"):
        store.check_all(episodes, verify=True)


def test_a_killed_call_leaves_a_whole_store_and_goes_on() -> None:
    done = kills("packing", "--count", "2", "--seed", "5")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("nothing lost") == 2
