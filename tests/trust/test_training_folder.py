"""One run at a time in a folder, nothing lost at a kill or on a full disk, and what cannot be is said before.

Moments are counted, never waited for.
"""

import errno
import os
import re
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import leworld
from leworld._lock import LOCK_FILE
from leworld.errors import CheckpointError, ConfigError, LeWorldError
from leworld.tasks import TwoRoomRecipe
from leworld.training import (
    TrainSettings,
    WorldModelModule,
    _log,
    _state,
    _writes,
    reserve_folder,
    train,
    train_decoder,
    train_inverse,
)
from tests._source import ROOT
from tests.training.tiny import fingerprint, tiny_episodes, tiny_model, tiny_settings, tiny_windows
from tests.trust import training_family as family
from tests.trust.killing import kills

SETTINGS = TrainSettings(num_steps=2, batch_size=4, save_every=1, log_every=1, batchnorm_windows=8)
RECIPE = TwoRoomRecipe(num_episodes=2, settings=SETTINGS)
Run = Callable[[Path], object]

RUNS: dict[str, Run] = {
    "train": lambda folder: train(
        tiny_model(), tiny_windows(), folder=folder, settings=SETTINGS, progress=False
    ),
    "train_decoder": lambda folder: train_decoder(
        tiny_model(), tiny_episodes(), folder=folder, settings=SETTINGS, progress=False
    ),
    "train_inverse": lambda folder: train_inverse(
        tiny_model().eval(),
        tiny_episodes(),
        folder=folder,
        settings=SETTINGS,
        max_steps=2,
        hidden_dim=4,
        progress=False,
    ),
    "recipe": lambda folder: RECIPE.train(folder, progress=False),
}
WRITES = {
    "train": ("state.ckpt", "metrics.csv", "tensorboard"),
    "train_decoder": ("state.ckpt", "tensorboard"),
    "train_inverse": ("state.ckpt", "metrics.csv", "inverse"),
    "recipe": ("state.ckpt", "metrics.csv", "tensorboard", "model"),
}


def told(run: Run, folder: Path) -> str:
    """Return the message of leworld's own error, in three parts, that a run must end in."""
    with pytest.raises(LeWorldError) as raised:
        run(folder)
    assert all(len(part.split()) >= 2 for part in raised.value.args)
    return str(raised.value)


@pytest.mark.parametrize("name", RUNS)
def test_a_second_run_in_the_same_folder_is_refused_at_once(name, tmp_path):
    with reserve_folder(tmp_path):
        found: list[str] = []
        thread = threading.Thread(target=lambda: found.append(told(RUNS[name], tmp_path)))
        thread.start()
        thread.join()
    assert re.search(rf"process {os.getpid()}\b", found[0])
    assert sorted(path.name for path in tmp_path.iterdir()) == [LOCK_FILE]


def test_a_lock_of_another_process_counts_and_ends_with_it(tmp_path):
    holder = (
        "import sys\nfrom pathlib import Path\nfrom leworld._lock import locked_folder\n"
        "with locked_folder(Path(sys.argv[1]), owner='a test'):\n"
        "    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", holder, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(ConfigError, match=f"process {process.pid}"), reserve_folder(tmp_path):
            pass
        process.kill()  # without a chance to clean up
        process.wait()
    with reserve_folder(tmp_path):
        pass


def test_a_block_within_a_block_is_let_in_and_the_outer_one_still_holds(tmp_path):
    with reserve_folder(tmp_path):
        with reserve_folder(tmp_path):
            pass
        thread_found: list[bool] = []

        def other() -> None:
            with pytest.raises(ConfigError), reserve_folder(tmp_path):
                pass
            thread_found.append(True)

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert thread_found


def test_a_folder_that_was_made_for_nothing_goes_away(tmp_path):
    with pytest.raises(ZeroDivisionError), reserve_folder(tmp_path / "new"):
        raise ZeroDivisionError
    assert not (tmp_path / "new").exists()
    (tmp_path / "old").mkdir()
    with pytest.raises(ZeroDivisionError), reserve_folder(tmp_path / "old"):
        raise ZeroDivisionError
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "metrics.csv").write_text("")
    with pytest.raises(ZeroDivisionError), reserve_folder(tmp_path / "used"):
        raise ZeroDivisionError
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["old", "used"]


def test_a_lock_whose_file_was_removed_meanwhile_is_taken_anew(tmp_path, monkeypatch):
    """Another run's removal of its empty folder, between the opening of the file and the lock."""
    import fcntl

    real, calls = fcntl.flock, []

    def flock(handle: int, kind: int) -> None:
        calls.append(handle)
        if len(calls) == 1:
            (tmp_path / "run" / LOCK_FILE).unlink()
            (tmp_path / "run").rmdir()
        real(handle, kind)

    monkeypatch.setattr("leworld._lock.fcntl.flock", flock)
    with reserve_folder(tmp_path / "run"):
        assert len(calls) == 2
        assert (tmp_path / "run" / LOCK_FILE).exists()


def test_a_file_system_without_locks_is_told(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("leworld._lock.fcntl.flock", refuse)
    with pytest.warns(UserWarning, match="without locks"), reserve_folder(tmp_path):
        pass


def test_what_killed_processes_left_is_removed_and_nothing_else(tmp_path):
    ours = ("state.ckpt.0a1b2c3d.unfinished", ".metrics-0a1b2c3d.csv", "state.ckpt.unfinished")
    theirs = ("notes.txt", "state.ckpt.backup", ".metrics-mine.csv")
    for name in (*ours, *theirs):
        (tmp_path / name).write_text("x")
    (tmp_path / ".model.0a1b2c3d.partial").mkdir()
    (tmp_path / ".model.0a1b2c3d.partial" / "config.json").write_text("{}")
    with reserve_folder(tmp_path):
        left = {path.name for path in tmp_path.iterdir()}
    assert left == {*theirs, LOCK_FILE}


@pytest.mark.parametrize("name", RUNS)
def test_something_else_in_the_place_of_a_file_is_found_before_the_work(name, tmp_path, monkeypatch):
    monkeypatch.setattr(WorldModelModule, "losses", lambda *_, **__: pytest.fail("it has begun"))
    monkeypatch.setattr(type(RECIPE), "collect", lambda *_, **__: pytest.fail("it has begun"))
    for number, place in enumerate(WRITES[name]):
        folder = tmp_path / str(number)
        folder.mkdir()
        if "." in place:
            os.mkfifo(folder / place)
        else:
            (folder / place).write_text("a file")
        assert place in told(RUNS[name], folder)
    (tmp_path / "file").write_text("a file")
    assert "it is a file" in told(RUNS[name], tmp_path / "file")
    assert "writing there failed" in told(RUNS[name], tmp_path / "file" / "below")
    assert "writing there failed" in told(RUNS[name], tmp_path / ("n" * 300))
    assert "writing there failed" in told(RUNS[name], Path("/proc/no/such/place"))


def test_a_disk_that_is_too_small_for_the_state_is_found_before_the_work(tmp_path, monkeypatch):
    usage = _writes.shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr(_writes.shutil, "disk_usage", lambda folder: usage)
    assert "0 MB are free" in told(RUNS["train"], tmp_path)


@contextmanager
def full_disk() -> Iterator[Callable[[], None]]:
    """Let no file of this process grow beyond 3 kB, which is what a full disk looks like to it.

    The limit ends with the block and not with the test, because pytest writes as soon as a test has ended.
    """
    former = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, limits[1]))

    try:
        yield fill
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, former)


@pytest.mark.parametrize("name", ["train", "train_decoder", "train_inverse"])
def test_a_full_disk_is_found_before_the_first_step(name, tmp_path, monkeypatch):
    monkeypatch.setattr(WorldModelModule, "losses", lambda *_, **__: pytest.fail("it has begun"))
    with full_disk() as fill:
        fill()
        message = told(RUNS[name], tmp_path)
    assert "state.ckpt" in message
    assert not list(tmp_path.glob("state*"))


def test_a_disk_that_fills_up_later_loses_nothing(tmp_path, monkeypatch):
    whole = fingerprint(RUNS["train"](tmp_path / "whole"))  # pyright: ignore[reportArgumentType]
    losses = WorldModelModule.losses

    def filling(self: Any, raw: Any, *, step: int) -> Any:
        if step == 1:
            fill()
        return losses(self, raw, step=step)

    with monkeypatch.context() as patch, full_disk() as fill:
        patch.setattr(WorldModelModule, "losses", filling)
        message = told(RUNS["train"], tmp_path / "cut")
    assert "goes on from the last state" in message
    assert torch.load(tmp_path / "cut" / "state.ckpt", weights_only=True)["global_step"] == 1
    assert not list((tmp_path / "cut").glob("*.unfinished"))
    assert fingerprint(RUNS["train"](tmp_path / "cut")) == whole  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("place", ["metrics.csv", "tensorboard/events.out.tfevents.leworld"])
def test_a_log_that_cannot_be_written_any_more_is_told(place, tmp_path, monkeypatch):
    losses = WorldModelModule.losses

    def swapping(self: Any, raw: Any, *, step: int) -> Any:
        if step == 1:
            (tmp_path / place).unlink()
            (tmp_path / place).mkdir()
        return losses(self, raw, step=step)

    monkeypatch.setattr(WorldModelModule, "losses", swapping)
    assert place.rpartition("/")[2] in told(RUNS["train"], tmp_path)
    assert torch.load(tmp_path / "state.ckpt", weights_only=True)["global_step"] == 1


def test_a_raw_error_of_a_write_would_be_seen(tmp_path, monkeypatch):
    """The check of the messages rejects torch's own error."""

    class Raw(_state.AtomicCheckpointIO):  # pyright: ignore[reportGeneralTypeIssues] -- final
        def save_checkpoint(self, checkpoint: Any, path: Any, storage_options: Any = None) -> None:
            torch.save(checkpoint, path)

    monkeypatch.setattr("leworld.training._fit.AtomicCheckpointIO", Raw)
    with full_disk() as fill:
        fill()
        with pytest.raises((OSError, RuntimeError)) as raised:
            told(RUNS["train"], tmp_path)
    assert not isinstance(raised.value, LeWorldError)


def test_a_model_that_could_not_be_saved_is_refused_before_the_first_step(tmp_path, monkeypatch):
    class Halved(nn.Module):
        def forward(self, embeddings: torch.Tensor, *, generator: Any = None) -> torch.Tensor:
            return embeddings.square().mean() / 2

    monkeypatch.setattr(WorldModelModule, "losses", lambda *_, **__: pytest.fail("it has begun"))
    model = tiny_model()
    model.regularizer = Halved()  # pyright: ignore[reportAttributeAccessIssue] -- the point
    options: dict[str, Any] = {"folder": tmp_path / "run", "settings": SETTINGS, "progress": False}
    with pytest.raises(CheckpointError, match=r"Halved.*must_save=False"):
        train(model, tiny_windows(), **options)
    changed = tiny_model()
    changed.projector.widen = nn.Linear(6, 9)
    with pytest.raises(CheckpointError, match="9"):
        train(changed, tiny_windows(), **options)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["train_inverse", "recipe"])
def test_a_model_of_another_run_is_not_replaced_unasked(name, tmp_path):
    result = tmp_path / WRITES[name][-1]
    leworld.save(tiny_model(), result)
    before = (result / "model.safetensors").read_bytes()
    assert "without" in told(RUNS[name], tmp_path) or "is not" in told(RUNS[name], tmp_path)
    assert (result / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize("options", [{}, {"resume": False}])
def test_logs_of_others_are_left_alone(options, tmp_path):
    """Of Lightning's CSVLogger, and of a program that writes for TensorBoard into the same folder."""
    events = tmp_path / "tensorboard" / "events.out.tfevents.1700000000.host.1.0"
    events.parent.mkdir()
    events.write_bytes(b"theirs")
    (tmp_path / "metrics.csv").write_text("epoch,step,loss\n0,1,0.5\n")

    def run() -> None:
        train(tiny_model(), tiny_windows(), folder=tmp_path, settings=SETTINGS, progress=False, **options)

    with pytest.raises(CheckpointError, match=r"begins with .*epoch.* and not with the column `step`.*Move"):
        run()
    assert (tmp_path / "metrics.csv").read_text() == "epoch,step,loss\n0,1,0.5\n"
    (tmp_path / "metrics.csv").unlink()
    run()
    run()
    assert events.read_bytes() == b"theirs"


def test_a_finished_run_mends_its_log(tmp_path):
    RUNS["train"](tmp_path)
    whole = (tmp_path / "metrics.csv").read_bytes()
    (tmp_path / "metrics.csv").write_bytes(whole[: len(whole) // 2])
    RUNS["train"](tmp_path)
    assert (tmp_path / "metrics.csv").read_bytes() == whole


@pytest.mark.parametrize(
    "change",
    [
        {"leworld_run": 3},
        {"leworld_run": "no json"},
        {"leworld_rows": [["loss"]]},
        {"leworld_rows": [{"loss": 1.0}]},
        {"global_step": "two"},
        {"state_dict": {}},
    ],
    ids=str,
)
def test_a_state_that_holds_something_else_is_refused(change, tmp_path):
    family.run(tmp_path)
    state = torch.load(tmp_path / "state.ckpt", weights_only=True)
    torch.save({**state, **change}, tmp_path / "state.ckpt")
    with pytest.raises(CheckpointError, match=r"state\.ckpt"):
        family.run(tmp_path)


def test_killed_training_goes_on_to_the_same_rows_and_weights():
    """`python -m benchmarks.kills training` does it at 30 moments."""
    done = kills("training", "--count", "3", "--seed", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 kills, 0 faults" in done.stdout


def test_a_run_that_loses_a_row_is_seen():
    """Killed between the state and the row of its step, as this subject writes them, the row is missing."""
    done = kills("tests.trust.loses_a_row", "--count", "99")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "instead of" in done.stdout


def test_rows_of_the_log_are_floats_and_the_state_has_them(tmp_path):
    train(tiny_model(), tiny_windows(), folder=tmp_path, settings=tiny_settings(num_steps=10), progress=False)
    state = torch.load(tmp_path / "state.ckpt", weights_only=True)
    log = _log.RunLog(tmp_path / "again", events=False)
    (tmp_path / "again").mkdir()
    log.restore(state["leworld_rows"])
    assert (tmp_path / "again" / "metrics.csv").read_text() == (tmp_path / "metrics.csv").read_text()
