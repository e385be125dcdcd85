"""What only separate processes show: offline mode, two loaders at once, kills, full disks."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import leworld
from tests.hub.examples import tiny_lewm
from tests.hub.hub_server import Hub, point_at, serving

NAME = "hf-hub:me/ours"
LOAD = "import sys, leworld; print(leworld.load(sys.argv[1]).action_dim)"
LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
import leworld
try:
    leworld.load(sys.argv[1])
except leworld.errors.CheckpointError as error:
    print(error)
"""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving() as hub:
        point_at(monkeypatch, hub.url)
        folder = leworld.save(tiny_lewm(), tmp_path / "saved")
        hub.add("me/ours", {path.name: path.read_bytes() for path in folder.iterdir()})
        yield hub


def start(
    tmp_path: Path, url: str, code: str = LOAD, name: str = NAME, **extra: str
) -> "subprocess.Popen[str]":
    environment = {
        **os.environ,
        "HF_HOME": str(tmp_path / "home"),
        "HF_ENDPOINT": url,
        "OMP_NUM_THREADS": "1",
    }
    environment |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_XET": "1"} | extra
    return subprocess.Popen(
        [sys.executable, "-c", code, name],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def finish(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out.strip(), err


def loads_here(tmp_path: Path) -> bool:
    return leworld.load(NAME, cache_dir=tmp_path / "home" / "hub").action_dim == 4


def test_two_processes_at_once_then_offline(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        with pytest.raises(leworld.errors.CheckpointError, match="switched off"):
            loads_here(tmp_path)
    assert hub.requests == []
    both = [start(tmp_path, hub.url), start(tmp_path, hub.url)]
    assert [finish(process)[:2] for process in both] == [(0, "4"), (0, "4")]
    hub.requests.clear()
    assert finish(start(tmp_path, hub.url, HF_HUB_OFFLINE="1"))[:2] == (0, "4")
    assert hub.requests == []


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_an_interrupted_download_is_never_taken_and_can_be_resumed(hub: Hub, tmp_path: Path) -> None:
    hub.stall_at = 5000
    process = start(tmp_path, hub.url)
    deadline = time.monotonic() + 60
    while not hub.stalled.is_set() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    assert finish(process)[0] == -9
    assert not list((tmp_path / "home").rglob("model.safetensors"))
    hub.stall_at = None
    assert loads_here(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="resource limits")
def test_a_full_disk_is_told_and_leaves_nothing(hub: Hub, tmp_path: Path) -> None:
    code, out, err = finish(start(tmp_path, hub.url, LIMITED))
    assert (code, "no room" in out) == (0, True), (out, err)
    assert not list((tmp_path / "home").rglob("model.safetensors"))
    assert loads_here(tmp_path)
