"""Downloads from a Hub, end to end against one on the loopback interface."""

import hashlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
import torch

import leworld
from leworld.errors import CheckpointError, LeWorldError
from leworld.hub import _download, checkpoint_info
from leworld.hub.catalog import _known as _records
from tests.hub.examples import tiny_lewm
from tests.hub.hub_server import Hub, point_at, serving
from tests.hub.released import MINI, mini_files

OURS = "me/ours"
OFFICIAL = "quentinll/lewm-pusht"
PATIENCE_OF_USERS = _download._PATIENCE  # before a test changes it


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with serving() as hub:
        point_at(monkeypatch, hub.url)
        folder = leworld.save(tiny_lewm(), tmp_path / "saved")
        hub.add(OURS, {path.name: path.read_bytes() for path in folder.iterdir()})
        commit = hub.add(OFFICIAL, mini_files())
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in mini_files().items()}
        record = checkpoint_info("lewm-pusht")
        pinned = replace(record, commit=commit, files={n: digests[n] for n in ("config.json", "weights.pt")})
        monkeypatch.setitem(_records.PINNED, "lewm-pusht", pinned)
        yield hub


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    ours, theirs = a.state_dict(), b.state_dict()
    return all(torch.equal(v, theirs[k]) for k, v in ours.items() if isinstance(v, torch.Tensor))


def test_cold_warm_and_offline(hub: Hub, cache: Path) -> None:
    model = leworld.load(f"hf-hub:{OURS}", cache_dir=cache)
    assert same(model, tiny_lewm())
    assert model.processor == tiny_lewm().processor
    assert not model.training
    assert hub.count("GET") == 2
    hub.requests.clear()
    leworld.load(f"hf-hub:{OURS}", cache_dir=cache)
    assert hub.requests == [f"HEAD /{OURS}/resolve/main/config.json"]
    hub.requests.clear()
    leworld.load(f"hf-hub:{OURS}", cache_dir=cache, local_files_only=True)
    assert hub.requests == []


def test_no_revision_pin_others_a_record_is_pinned_verified_and_needs_no_request_when_warm(
    hub: Hub, cache: Path
) -> None:
    model = leworld.load("lewm-pusht", cache_dir=cache)
    processor = model.processor
    assert (processor.frameskip, processor.image_size, processor.action_mean) == (5, 224, (-0.008, 0.007))
    assert all("/resolve/main/" not in request for request in hub.requests)
    hub.requests.clear()
    assert same(model, leworld.load("lewm-pusht", cache_dir=cache))
    assert hub.requests == []


def test_revisions(hub: Hub, cache: Path) -> None:
    folder = leworld.save(tiny_lewm(seed=5), cache.parent / "other")
    commit = hub.add(OURS, {path.name: path.read_bytes() for path in folder.iterdir()}, branch="v2")
    assert same(leworld.load(f"hf-hub:{OURS}", cache_dir=cache), tiny_lewm())
    for name, revision in (
        (f"hf-hub:{OURS}@v2", None),
        (f"hf-hub:{OURS}", "v2"),
        (f"hf-hub:{OURS}@{commit}", None),
    ):
        assert same(leworld.load(name, revision=revision, cache_dir=cache), tiny_lewm(seed=5))


def test_a_moved_branch_is_followed_and_a_pinned_name_is_not(hub: Hub, cache: Path) -> None:
    leworld.load(f"hf-hub:{OURS}", cache_dir=cache)
    folder = leworld.save(tiny_lewm(seed=5), cache.parent / "other")
    hub.add(OURS, {path.name: path.read_bytes() for path in folder.iterdir()})
    assert same(leworld.load(f"hf-hub:{OURS}", cache_dir=cache), tiny_lewm(seed=5))
    before = leworld.load("lewm-pusht", cache_dir=cache)
    hub.add(OFFICIAL, {"config.json": b"{}"})
    assert same(before, leworld.load("lewm-pusht", cache_dir=cache))


def test_hydra_instantiate_on_a_downloaded_config_is_what_others_do(hub: Hub, cache: Path) -> None:
    marker = cache.parent / "ran"
    config = {"_target_": "os.system", "command": f"touch {marker}", "_args_": [f"touch {marker}"]}
    files = {**mini_files(), "config.json": json.dumps(config).encode()}
    hub.add("me/trap", files)
    with pytest.raises(CheckpointError, match=r"os\.system"):
        leworld.load("hf-hub:me/trap", cache_dir=cache)
    assert not marker.exists()


def test_the_token_reaches_the_hub_and_no_token_does_not(hub: Hub, cache: Path) -> None:
    leworld.load(f"hf-hub:{OURS}", cache_dir=cache, token="hf_secret")
    assert set(hub.tokens) == {"Bearer hf_secret"}
    hub.tokens.clear()
    leworld.load(f"hf-hub:{OURS}", cache_dir=cache / "other", token=False)
    assert set(hub.tokens) == {""}


OUTWARDS = ["hf-hub:../../etc", "hf-hub:me/../../x", "hf-hub:me/x@../../y", "lewm-pusht@../../../x"]


@pytest.mark.parametrize("name", [*OUTWARDS, "hf-hub:me/..", "hf-hub:/etc/passwd", "hf-hub:me\\x/y"])
def test_a_name_that_points_outwards_asks_nothing_and_writes_nothing(
    hub: Hub, cache: Path, name: str
) -> None:
    with pytest.raises(LeWorldError):
        leworld.load(name, cache_dir=cache)
    assert hub.requests == []
    assert not cache.exists()


@pytest.mark.parametrize("header", ["X-Repo-Commit", "ETag", "X-Linked-Etag"])
def test_a_hub_whose_answers_point_outwards_writes_nothing_there(
    hub: Hub, cache: Path, tmp_path: Path, header: str
) -> None:
    hub.lies[header] = '"../../../../escaped"' if "tag" in header.lower() else "../../../../escaped"
    before = set(tmp_path.rglob("*"))
    with pytest.raises(CheckpointError):
        leworld.load(f"hf-hub:{OURS}", cache_dir=cache / "deep" / "er")
    new = set(tmp_path.rglob("*")) - before
    assert all(cache in (path, *path.parents) for path in new), new
    assert not [path for path in new if "escaped" in path.name]


REFUSED = {
    "missing repository": ("hf-hub:me/absent", ("me/absent", "no such repository", "token")),
    "missing revision": (f"hf-hub:{OURS}@v9", ("v9", "no revision")),
    "missing file": ("hf-hub:me/empty", ("config.json", "no such file")),
    "gated": ("hf-hub:me/gated", ("me/gated", "hf auth login")),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_hub_refuses_is_told_at_once(hub: Hub, cache: Path, case: str, no_pause: None) -> None:
    hub.add("me/empty", {"README.md": b""})
    hub.add("me/gated", {"config.json": b"{}"})
    hub.gated.add("me/gated")
    name, words = REFUSED[case]
    message = refusal(name, cache)
    assert all(word in message for word in words), message
    assert len(hub.requests) == 1


def refusal(name: str, cache: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        leworld.load(name, cache_dir=cache)
    assert not list(cache.rglob("model.safetensors"))
    return str(caught.value)


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sleeps, to try again later, fails."""

    def sleep(seconds: float) -> None:
        raise AssertionError(f"slept for {seconds:g} s")

    monkeypatch.setattr(time, "sleep", sleep)


def test_an_ill_hub(hub: Hub, cache: Path, no_pause: None) -> None:
    hub.status = 500
    assert "500" in refusal(f"hf-hub:{OURS}", cache)
    assert len(hub.requests) == 1
    hub.status = None
    leworld.load(f"hf-hub:{OURS}", cache_dir=cache)
    hub.status = 503
    assert same(leworld.load(f"hf-hub:{OURS}", cache_dir=cache), tiny_lewm())


@contextmanager
def dead_host() -> Iterator[str]:
    """The address of a port that is taken and refuses every connection."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


def test_a_dead_host_answers_from_the_cache_at_once(
    hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch, no_pause: None
) -> None:
    leworld.load(f"hf-hub:{OURS}", cache_dir=cache)
    with dead_host() as url:
        point_at(monkeypatch, url)
        tries = connections(monkeypatch)
        assert same(leworld.load(f"hf-hub:{OURS}", cache_dir=cache), tiny_lewm())
        assert len(tries) == 1
        assert "does not answer" in refusal("hf-hub:me/other", cache.parent / "empty")
        assert len(tries) == 2


def connections(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Record every attempt to connect."""
    tries: list[object] = []
    connect = socket.create_connection

    def recorded(address: Any, *arguments: Any, **options: Any) -> socket.socket:
        tries.append(address)
        return connect(address, *arguments, **options)

    monkeypatch.setattr(socket, "create_connection", recorded)
    return tries


def test_a_host_that_never_answers_costs_seconds_only(
    hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request itself ends after the patience, here without the thread that ends everything else."""
    assert PATIENCE_OF_USERS <= 5
    asked = []
    ask = huggingface_hub.get_hf_file_metadata

    def recorded(url: str, **options: Any) -> Any:
        asked.append(options["timeout"])
        return ask(url, **options)

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", recorded)
    monkeypatch.setattr(_download, "_within", lambda seconds, call: call())
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        point_at(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(_download, "_PATIENCE", 0.25)
        assert "does not answer" in refusal("hf-hub:me/other", cache)
    assert asked == [0.25]


def test_a_resolver_that_never_answers_costs_seconds_only(
    hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name is looked up without a timeout, so the thread that asks is left behind."""
    over = threading.Event()
    monkeypatch.setattr(_download, "_PATIENCE", 0.25)
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", lambda url, **options: over.wait())
    try:
        assert "no answer within 0.75 s" in refusal("hf-hub:me/other", cache)
    finally:
        over.set()


def test_a_truncated_body_is_never_taken(hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    hub.cut_to = 300
    refusal(f"hf-hub:{OURS}", cache)
    hub.cut_to = None
    assert same(leworld.load(f"hf-hub:{OURS}", cache_dir=cache), tiny_lewm())


def test_a_download_whose_connection_breaks_is_resumed_with_a_range_request(
    hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """huggingface_hub resumes within a download; see test_hub_processes for one that was killed."""
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)  # what is kept; 10 MB else
    hub.cut_to, hub.cuts = 5500, 2
    assert same(leworld.load(f"hf-hub:{OURS}", cache_dir=cache), tiny_lewm())
    assert hub.ranges == ["bytes=5000-", "bytes=10000-"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_no_disk_space_is_told_and_leaves_nothing(
    hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The part that is being written lies on the kernel's full device: every write there is ENOSPC."""
    weights = hub.files[OURS, hub.branches[OURS, "main"]]["model.safetensors"]
    blobs = cache / "models--me--ours" / "blobs"
    blobs.mkdir(parents=True)
    fixed = SimpleNamespace(uuid4=lambda: SimpleNamespace(hex="0" * 32))
    part = blobs / f"{hashlib.sha256(weights).hexdigest()}.{'0' * 8}.incomplete"
    with monkeypatch.context() as patch:
        patch.setattr("huggingface_hub.file_download.uuid", fixed)
        part.symlink_to("/dev/full")
        message = refusal(f"hf-hub:{OURS}", cache)
        assert "has no room (No space left on device)" in message
        assert "cache_dir" in message
    assert not part.is_symlink()
    assert same(leworld.load(f"hf-hub:{OURS}", cache_dir=cache), tiny_lewm())


def test_wrong_content_is_refused_and_forgotten(hub: Hub, cache: Path) -> None:
    record = checkpoint_info("lewm-pusht")
    files = hub.files[OFFICIAL, record.commit or ""]
    right = files["weights.pt"]
    files["weights.pt"] = right[:-1] + bytes([right[-1] ^ 1])
    with pytest.raises(CheckpointError, match="SHA-256"):
        leworld.load("lewm-pusht", cache_dir=cache)
    assert not list(cache.rglob("weights.pt"))
    files["weights.pt"] = right
    assert leworld.load("lewm-pusht", cache_dir=cache).history_size == 3


def test_a_cached_file_that_rotted_is_noticed(hub: Hub, cache: Path) -> None:
    leworld.load(f"hf-hub:{OURS}", cache_dir=cache)
    (path,) = cache.rglob("model.safetensors")
    blob = path.resolve()
    data = bytearray(blob.read_bytes())
    data[-3] ^= 1
    blob.write_bytes(data)
    with pytest.raises(CheckpointError, match="SHA-256"):
        leworld.load(f"hf-hub:{OURS}", cache_dir=cache)
    assert same(leworld.load(f"hf-hub:{OURS}", cache_dir=cache), tiny_lewm())


def test_a_config_that_asks_for_another_file_than_its_record(hub: Hub, cache: Path, monkeypatch) -> None:
    record = checkpoint_info("lewm-pusht")
    ours = hub.files[OURS, hub.branches[OURS, "main"]]
    commit = hub.add(OFFICIAL, ours)
    monkeypatch.setitem(
        _records.PINNED,
        "lewm-pusht",
        replace(record, commit=commit, files={"config.json": None, "weights.pt": "0"}),
    )
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        leworld.load("lewm-pusht", cache_dir=cache)


def test_nothing_is_written_outside_the_cache(hub: Hub, cache: Path, tmp_path: Path) -> None:
    before = set(tmp_path.rglob("*"))
    leworld.load(f"hf-hub:{OURS}", cache_dir=cache)
    leworld.load("lewm-pusht", cache_dir=cache)
    assert all(cache in (path, *path.parents) for path in set(tmp_path.rglob("*")) - before)


def test_a_cache_that_cannot_be_written(hub: Hub, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(CheckpointError, match="cache_dir"):
        leworld.load(f"hf-hub:{OURS}", cache_dir=blocked / "cache")


def test_a_downloaded_copy_is_recognised_by_its_digest(hub: Hub) -> None:
    assert leworld.load(MINI).processor == leworld.hub.checkpoint_info("lewm-pusht").processor
    assert os.path.isdir(MINI)


def test_revision_belongs_to_the_hub(tmp_path: Path) -> None:
    leworld.save(tiny_lewm(), tmp_path / "m")
    for name in (tmp_path / "m", "lewm-tworoom-tiny"):
        with pytest.raises(LeWorldError, match="revision"):
            leworld.load(name, revision="main")
    with pytest.raises(LeWorldError, match="one revision"):
        leworld.load(f"hf-hub:{OURS}@a", revision="b")
