"""What only separate processes show: offline mode, two loaders at once, kills, full and read-only caches."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import leworld
from leworld.models import LeWM
from tests.hub import jobs
from tests.hub.examples import tiny_lewm
from tests.hub.hub_server import Hub, point_at, serving
from tests.hub.processes import Child, hub_environment

NAME = "hf-hub:me/ours"
POSIX = pytest.mark.skipif(os.name == "nt", reason="signals, limits and permissions of POSIX")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving() as hub:
        point_at(monkeypatch, hub.url)
        folder = leworld.save(tiny_lewm(), tmp_path / "saved")
        for name in ("me/ours", "me/warm-up"):
            hub.add(name, {path.name: path.read_bytes() for path in folder.iterdir()})
        yield hub


def start(
    tmp_path: Path, hub: Hub, job: Any = jobs.load, *more: str, name: str = NAME, **extra: str
) -> Child:
    return Child(job, name, *more, **hub_environment(str(tmp_path / "home"), hub.url, **extra))


def loads_here(tmp_path: Path) -> bool:
    return leworld.load(NAME, cache_dir=tmp_path / "home" / "hub").action_dim == 4


def test_two_processes_at_once_then_offline(hub: Hub, tmp_path: Path) -> None:
    both = [start(tmp_path, hub), start(tmp_path, hub)]
    assert [child.finish() for child in both] == [(0, 4), (0, 4)]
    assert hub.count("GET") >= 2
    hub.requests.clear()
    child = start(tmp_path, hub, jobs.load_and_miss, "hf-hub:me/warm-up", HF_HUB_OFFLINE="1")
    code, (action_dim, told) = child.finish()
    assert (code, action_dim) == (0, 4)
    assert "not in the cache, and downloading is switched off" in told
    assert hub.requests == []


@POSIX
def test_a_killed_download_is_never_taken_and_starts_anew(hub: Hub, tmp_path: Path) -> None:
    """huggingface_hub 2.4 gives each process a part file of its own, so a later one has nothing to resume.

    That is its remedy against two processes writing one part; within a process a broken connection is resumed
    (see test_hub). What must hold here: the part is never taken, and loading again brings everything anew.
    """
    hub.stall_at = 5000
    home = tmp_path / "home"
    child = start(tmp_path, hub)
    while not (hub.stalled.is_set() and list(home.rglob("*.incomplete"))):
        assert not child.pipe.poll(0.01), "the child ended by itself"
    child.kill()
    assert child.finish() == (-9, None)
    assert len(list(home.rglob("*.incomplete"))) == 1
    assert not list(home.rglob("model.safetensors"))
    hub.stall_at = None
    hub.requests.clear()
    assert loads_here(tmp_path)
    assert f"GET /me/ours/resolve/{hub.branches['me/ours', 'main']}/model.safetensors" in hub.requests
    assert hub.ranges == []
    (whole,) = home.rglob("model.safetensors")
    assert whole.read_bytes() == (tmp_path / "saved" / "model.safetensors").read_bytes()


@POSIX
def test_a_limit_on_file_sizes_is_told_and_leaves_nothing(hub: Hub, tmp_path: Path) -> None:
    code, told = start(tmp_path, hub, jobs.load_with_small_files_only).finish()
    assert (code, "has no room (File too large)" in told) == (0, True), told
    assert not list((tmp_path / "home").rglob("model.safetensors"))
    assert not list((tmp_path / "home").rglob("*.incomplete"))
    assert loads_here(tmp_path)


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A folder that everybody may read; the test closes it and this opens it again."""
    place = Path(tempfile.mkdtemp(prefix="leworld-"))
    place.chmod(0o755)
    yield place
    for path in [place, *place.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(place)


def load_closed(hub: Hub, tmp_path: Path, place: Path, name: str) -> tuple[int | None, Any]:
    """Close the cache at `place` and load from it, in a process that its permissions bind."""
    close(place)
    hub.requests.clear()
    job = jobs.load_from_what_cannot_be_written
    return start(tmp_path, hub, job, str(place), "hf-hub:me/warm-up", name=name, HF_HOME=str(place)).finish()


def close(place: Path) -> None:
    for path in [*place.rglob("*"), place]:
        if not path.is_symlink():
            path.chmod(0o555 if path.is_dir() else 0o444)


@POSIX
@pytest.mark.parametrize("is_pinned", [True, False], ids=["pinned", "branch"])
def test_a_warm_read_only_cache_serves(hub: Hub, tmp_path: Path, read_only: Path, is_pinned: bool) -> None:
    name = f"{NAME}@{hub.branches['me/ours', 'main']}" if is_pinned else NAME
    leworld.load(name, cache_dir=read_only)
    assert load_closed(hub, tmp_path, read_only, name) == (0, (True, 4))
    asked = [request for request in hub.requests if "me/ours" in request]
    assert asked == ([] if is_pinned else ["HEAD /me/ours/resolve/main/config.json"])


@POSIX
def test_a_cold_read_only_cache_is_told(hub: Hub, tmp_path: Path, read_only: Path) -> None:
    code, told = load_closed(hub, tmp_path, read_only, NAME)
    assert (code, told[0]) == (0, True)
    assert "cannot be written (Permission denied" in told[1]
    assert "cache_dir" in told[1]


@POSIX
def test_a_killed_save_is_never_taken_for_a_checkpoint(tmp_path: Path) -> None:
    target = tmp_path / "m"
    assert Child(jobs.save_and_be_killed, str(target)).finish() == (-9, None)
    assert not target.exists()
    assert [path.name.startswith(".m.") for path in tmp_path.iterdir()] == [True]
    leworld.save(tiny_lewm(), target)
    assert isinstance(leworld.load(target), LeWM)
