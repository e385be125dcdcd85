"""Batches that worker processes read: the same ones, in the same order, and an end that can be mended."""

import logging
import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from leworld.data import Episodes, Windows, open_episodes, write_hdf5, write_store
from leworld.errors import CheckpointError, DataError
from leworld.training import WorldModelModule, train
from leworld.training._loading import StepLoader, Waiting, worker_is_gone
from leworld.training._stream import WindowStream
from leworld.training._writes import written
from tests.fake_clock import fake_clock
from tests.training.loading import Failing, failing_windows
from tests.training.tiny import fingerprint, tiny_episodes, tiny_model, tiny_settings, tiny_windows

# A machine of few cores tells that there are more workers than cores.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


@pytest.fixture(params=["fork", "spawn"])
def start(request) -> Iterator[str]:
    """How Python starts processes."""
    before = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method(request.param, force=True)
    yield request.param
    multiprocessing.set_start_method(before, force=True)


@pytest.fixture(scope="module")
def without(tmp_path_factory) -> tuple[str, str]:
    """Weights and log without workers."""
    folder = tmp_path_factory.mktemp("without")
    return run(folder), (folder / "metrics.csv").read_text()


@pytest.fixture(scope="module")
def due(without) -> str:
    """The weights without workers."""
    return without[0]


def run(folder: Path, windows: Windows | None = None, **changes) -> str:
    settings = tiny_settings(**changes)
    windows = tiny_windows() if windows is None else windows
    return fingerprint(train(tiny_model(), windows, folder=folder, settings=settings, progress=False))


def stopped(folder: Path, windows: Windows, monkeypatch, **changes) -> None:
    """Train up to the twelfth step, after the state of the seventh, and fail there."""
    losses = WorldModelModule.losses

    def doomed(self, raw, *, step):
        if step == 12:
            raise RuntimeError("pulled plug")
        return losses(self, raw, step=step)

    with monkeypatch.context() as patch:
        patch.setattr(WorldModelModule, "losses", doomed)
        with pytest.raises(RuntimeError, match="pulled plug"):
            run(folder, windows, **changes)


@pytest.mark.parametrize("kind", ["memory", "store", "hdf5"])
def test_weights_and_log_do_not_depend_on_workers(kind, start, tmp_path, without, monkeypatch):
    known = tiny_episodes()
    if kind == "store":
        write_store(tmp_path / "data", known)
    elif kind == "hdf5":
        write_hdf5(tmp_path / "data", known)
    episodes = known if kind == "memory" else open_episodes(tmp_path / "data")
    windows = Windows(episodes, 2, frameskip=2)
    stopped(tmp_path / "run", windows, monkeypatch, num_workers=2 if start == "fork" else 1)
    assert (tmp_path / "run" / "state.ckpt").exists()
    weights = run(tmp_path / "run", windows, num_workers=1)  # as many as there are now
    assert (weights, (tmp_path / "run" / "metrics.csv").read_text()) == without


def test_batches_come_in_the_order_of_the_steps():
    stream = WindowStream(tiny_windows(), 4, seed=0)
    before = torch.get_rng_state()
    batches = list(StepLoader(stream, 12, first=3, num_workers=3))
    assert torch.equal(torch.get_rng_state(), before)
    assert len(batches) == 9
    for step, batch in enumerate(batches, start=3):
        assert torch.equal(batch.rows, stream[step].rows)
        assert batch.pixels.dtype == torch.uint8
        assert batch.pixels.is_shared()  # nothing is copied through a pipe


def test_a_wrong_order_would_be_seen(monkeypatch):
    whole = StepLoader._told

    def swapped(self, batches):
        first, second, *rest = whole(self, batches)
        yield from (second, first, *rest)

    monkeypatch.setattr(StepLoader, "_told", swapped)
    with pytest.raises(AssertionError):
        test_batches_come_in_the_order_of_the_steps()


def test_a_killed_worker_is_one_clear_error_and_the_run_goes_on(start, tmp_path, due):
    armed = tmp_path / "armed"
    armed.touch()
    windows = failing_windows(Failing(armed, after=5))
    with pytest.raises(DataError) as caught:
        run(tmp_path / "run", windows, num_workers=2)
    error = caught.value
    assert "num_workers=2" in error.rule
    assert "one of them is gone" in error.got
    assert "same call again" in error.fix
    armed.unlink()
    assert run(tmp_path / "run", failing_windows(Failing(armed, after=5)), num_workers=2) == due


@pytest.mark.parametrize(
    ("kind", "told"), [(ValueError, "ValueError: the camera is gone"), (OSError, "OSError: the camera")]
)
def test_a_worker_that_cannot_read_is_one_clear_error(kind, told, tmp_path, due):
    armed = tmp_path / "armed"
    armed.touch()
    with pytest.raises(DataError, match=told) as caught:
        run(tmp_path / "run", failing_windows(Failing(armed, after=6, error=kind)), num_workers=2)
    assert "num_workers=0" in caught.value.fix
    armed.unlink()
    assert run(tmp_path / "run", failing_windows(Failing(armed, after=6)), num_workers=2) == due


def test_an_error_of_ours_comes_out_of_a_worker_as_it_is(tmp_path, monkeypatch):
    path = tmp_path / "data.h5"
    write_hdf5(path, tiny_episodes())
    windows = Windows(open_episodes(path), 2, frameskip=2)
    path.write_bytes(path.read_bytes()[:-100])
    alone, others = (StepLoader(WindowStream(windows, 4, seed=0), 3, first=0, num_workers=n) for n in (0, 1))
    with pytest.raises(DataError) as due:
        list(alone)
    with pytest.raises(DataError) as found:
        list(others)
    assert str(found.value) == str(due.value)


def test_a_worker_that_dies_during_a_write_is_not_told_as_a_full_disk():
    gone = RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. ")
    with pytest.raises(RuntimeError, match="worker"), written(Path("state.ckpt")):
        raise gone
    assert worker_is_gone(gone)
    with pytest.raises(CheckpointError), written(Path("state.ckpt")):
        raise RuntimeError("PytorchStreamWriter failed writing file")


def test_a_worker_does_not_hold_the_lock_of_the_run(tmp_path):
    """Else a killed run could not go on before its workers have noticed."""
    from leworld._lock import locked_folder

    context = multiprocessing.get_context("fork")
    with locked_folder(tmp_path, owner="test"):
        ready, end = context.Event(), context.Event()
        child = context.Process(target=_idle, args=(ready, end))
        child.start()
        assert ready.wait(60)
    try:
        with locked_folder(tmp_path, owner="test"):
            pass
    finally:
        end.set()
        child.join()


def _idle(ready, end) -> None:
    ready.set()
    end.wait(60)


@pytest.mark.parametrize(("waited", "worked", "told"), [(0.5, 0.5, True), (0.1, 0.9, False)])
def test_waiting_for_data_is_said_once(waited, worked, told, caplog):
    with fake_clock() as clock, caplog.at_level(logging.WARNING, "leworld.training"):
        meter = Waiting(2)
        for _ in range(400):
            meter.begin()
            clock.seconds += waited
            meter.end()
            clock.seconds += worked
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == told
    assert all("50 % of the time" in line and "num_workers=2" in line for line in lines)


def test_the_start_of_the_processes_does_not_count(caplog):
    with fake_clock() as clock, caplog.at_level(logging.WARNING, "leworld.training"):
        meter = Waiting(2)
        for step in range(400):
            meter.begin()
            clock.seconds += 1000.0 if step == 0 else 0.1
            meter.end()
            clock.seconds += 0.9
    assert not caplog.records


class _Strategy:
    root_device = torch.device("cuda")


class _Trainer:
    strategy, global_rank, world_size, global_step = _Strategy(), 0, 1, 0


def test_a_gpu_gets_uint8_from_page_locked_memory_without_waiting(monkeypatch):
    module = WorldModelModule(tiny_model(), tiny_windows(), settings=tiny_settings(num_workers=2))
    module._trainer = _Trainer()  # type: ignore[assignment]
    loader = module.train_dataloader()
    assert loader.pin_memory
    assert loader.num_workers == 2
    raw = tiny_windows().__getitems__([0, 1])
    moves = []
    monkeypatch.setattr(
        type(raw), "to", lambda self, device, *, non_blocking=False: moves.append((device, non_blocking))
    )
    module.transfer_batch_to_device(raw, torch.device("cuda"), 0)
    module.transfer_batch_to_device(raw, torch.device("cpu"), 0)
    assert moves == [(torch.device("cuda"), True), (torch.device("cpu"), False)]
    assert raw.pixels.dtype == torch.uint8


def test_in_memory_arrays_are_read_by_workers_too():
    episodes = Episodes(np.zeros((6, 8, 8, 3), np.uint8), np.zeros((6, 1), np.float32), lengths=np.array([6]))
    loader = StepLoader(WindowStream(Windows(episodes, 1, frameskip=1), 2, seed=0), 4, first=0, num_workers=2)
    assert len(list(loader)) == 4
