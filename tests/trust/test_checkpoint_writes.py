"""Writes: what is there is replaced when asked only, in one step; failed or killed, nothing is left half."""

import os
import re
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import leworld
from leworld._files import write_atomically
from leworld._folder import check_replaceable
from leworld.decoders import CrossAttentionDecoder, save_decoder
from leworld.errors import CheckpointError, LeWorldError
from leworld.hub import convert, export
from leworld.serialise import save_module
from tests.hub.examples import tiny_lewm
from tests.hub.released import MINI
from tests.trust.killing import kills


def _decoder() -> CrossAttentionDecoder:
    return CrossAttentionDecoder(4, image_size=8, patch_size=4, hidden_dim=8, depth=1)


WRITERS: dict[str, Callable[[Path, bool], object]] = {
    "save": lambda folder, over: leworld.save(tiny_lewm(), folder, overwrite=over),
    "save_module": lambda folder, over: save_module(tiny_lewm().projector, folder, overwrite=over),
    "save_decoder": lambda folder, over: save_decoder(_decoder(), folder, overwrite=over),
    "convert": lambda folder, over: convert(MINI, folder, overwrite=over),
    "convert to released": lambda folder, over: convert(MINI, folder, layout="released", overwrite=over),
    "export": lambda folder, over: export(tiny_lewm(), folder, format="pt2", overwrite=over),
}


def contents(place: Path) -> dict[str, bytes]:
    return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", WRITERS)
def test_nothing_is_replaced_unasked_and_no_stranger_at_all(name: str, tmp_path: Path) -> None:
    write = WRITERS[name]
    write(tmp_path / "m", False)
    before = contents(tmp_path)
    with pytest.raises(CheckpointError, match="overwrite"):
        write(tmp_path / "m", False)
    (tmp_path / "m" / "notes.txt").write_text("mine")
    with pytest.raises(CheckpointError, match=r"notes|holds"):
        write(tmp_path / "m", True)
    (tmp_path / "m" / "notes.txt").unlink()
    assert contents(tmp_path) == before
    (tmp_path / "m" / ".DS_Store").write_text("a file manager's")
    write(tmp_path / "m", True)
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


@contextmanager
def small_disk(size: int) -> Iterator[None]:
    """Within the block let no file of this process grow beyond some bytes, as a full disk does not."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    was = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, was)


@pytest.mark.parametrize("size", [0, 100, 1_000])
@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_loses_nothing(name: str, size: int, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / "m", False)
    before = contents(tmp_path)
    for folder, over in (("m", True), ("new/deep", False)):
        with small_disk(size), pytest.raises(CheckpointError, match="write") as caught:
            WRITERS[name](tmp_path / folder, over)
        assert all(len(part.split()) >= 2 for part in (caught.value.rule, caught.value.got, caught.value.fix))
    assert contents(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_a_full_disk_is_told_of_single_files_too(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("old")
    with small_disk(2), pytest.raises(CheckpointError, match="disk"):
        write_atomically(tmp_path / "f", lambda path: path.write_text("much longer"))
    assert contents(tmp_path) == {"f": b"old"}
    with small_disk(2), pytest.raises(CheckpointError):
        write_atomically(tmp_path / "f" / "g", lambda path: path.write_text("x"))


PLACES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "below a file": (lambda t: t / "file" / "m", "file"),
    "a loop of links": (lambda t: t / "loop", "link"),
    "below a loop": (lambda t: t / "loop" / "m", "loop"),
    "too long a name": (lambda t: t / ("x" * 256), "long"),
    "a NUL": (lambda t: t / "a\0b", "null"),
    "the root": (lambda t: Path("/"), "root|holds"),
    "a pipe": (lambda t: t / "pipe", "is a file"),
    "no file system": (lambda t: Path("/proc/self/m"), "write"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", WRITERS)
def test_a_place_that_cannot_be_written_is_told_before_the_work(
    name: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")

    def works(*_: object, **__: object) -> None:
        raise AssertionError("it has begun to work")

    for target in ("hub._convert.load", "hub.programs._export.parts_of", "serialise._save.write_weights"):
        monkeypatch.setattr(f"leworld.{target}", works)
    where, words = PLACES[place]
    with pytest.raises(CheckpointError, match=words):
        WRITERS[name](where(tmp_path), True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "loop", "pipe"]


def test_places_that_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "dangling").symlink_to("later")
    for path in ("link", "dangling", "a/b/c/", "./d", "~/e", "x" * 255, "\u00e4" * 127, "a/../f"):
        folder = leworld.save(tiny_lewm(), path)
        leworld.save(tiny_lewm(seed=1), path, overwrite=True)
        assert leworld.load(folder).history_size
    assert (tmp_path / "real" / "config.json").exists()
    assert (tmp_path / "later" / "config.json").exists()
    assert (tmp_path / "link").is_symlink()
    assert not list(tmp_path.rglob(".*"))
    write_atomically(tmp_path / ("y" * 250 + ".json"), lambda path: path.write_text("x"))


def test_a_directory_that_was_removed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for call in (lambda: leworld.save(tiny_lewm(), "m"), lambda: leworld.load("./m")):
        with pytest.raises(LeWorldError, match="removed"):
            call()


def test_the_check_of_a_place_leaves_nothing(tmp_path: Path) -> None:
    assert check_replaceable(tmp_path / "a" / "b", overwrite=False) == tmp_path / "a" / "b"
    assert list(tmp_path.iterdir()) == []


def test_a_kill_leaves_whole_checkpoints() -> None:
    """`python -m benchmarks.kills saving` does it at 30 moments."""
    done = kills("saving", "--count", "5", "--seed", "3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 kills, 0 faults" in done.stdout
    assert int(re.findall(r" of (\d+),", done.stdout)[0]) > 20


def test_a_checkpoint_that_is_written_in_its_place_is_seen() -> None:
    """The kills can fail: a folder that is filled where it stands is half at some moments."""
    done = kills("tests.trust.writes_in_place", "--count", "2")
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.findall(r", (.+?)(?:, torn)?: Traceback", done.stdout) == ["open config.json"]
