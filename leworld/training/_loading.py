"""The batches of a run in the order of its steps, read by worker processes or by none."""

import logging
import pickle
import time
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from .._random import usual_defaults
from ..errors import DataError, LeWorldError
from ._stream import WindowStream

T = TypeVar("T")

_SETTLING, _MEASURED, _TOO_LONG = 10, 100, 1 / 3

logger = logging.getLogger("leworld.training")


class StepLoader(Generic[T]):
    """Iterates over the batches from a step on, but has the length of the whole run, as Lightning asks.

    Which batch belongs to a step is for `stream` alone to say, so that the number of processes that read them
    decides nothing but the time.

    Args:
        stream: Gives the batch of every step by its number.
        num_steps: Steps of the whole run.
        first: The first step that is asked for.
        num_workers: Processes that read ahead, each some whole batches; 0 reads when a batch is due.
        pin_memory: Whether batches come in page-locked memory, from which a GPU copies while it computes.
    """

    def __init__(
        self,
        stream: Dataset[T],
        num_steps: int,
        *,
        first: int,
        num_workers: int = 0,
        pin_memory: bool = False,
    ) -> None:
        self.stream = stream
        self.num_steps = num_steps
        self.first = first
        self.num_workers = num_workers
        self.pin_memory = pin_memory

    def __len__(self) -> int:
        return self.num_steps

    def __iter__(self) -> Iterator[T]:
        # Its own generator, because a DataLoader without one draws from torch's global one.
        with usual_defaults():  # it draws a seed on torch's default device
            batches = iter(
                DataLoader(
                    _Reported(self.stream) if self.num_workers else self.stream,
                    batch_size=None,
                    sampler=range(self.first, self.num_steps),
                    num_workers=self.num_workers,
                    pin_memory=self.pin_memory,
                    generator=torch.Generator(),
                )
            )
        return self._told(batches)

    def _told(self, batches: Iterator[Any]) -> Iterator[T]:
        waiting = Waiting(self.num_workers)
        while True:
            waiting.begin()
            try:
                batch = next(batches)
            except StopIteration:
                return
            if isinstance(batch, _Unread):
                raise batch.error
            waiting.end()
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Return nothing: the trainer's step says where to go on. Having this marks a loader as resumable."""
        return {}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Accept what `state_dict` returned."""


def windows_of(loader: object) -> object:
    """Return the windows behind a loader of training, its own or a DataLoader of the user's."""
    if isinstance(loader, StepLoader):
        return loader.stream.windows if isinstance(loader.stream, WindowStream) else None
    return getattr(loader, "dataset", None)


def worker_is_gone(error: BaseException) -> bool:
    """Whether this is torch's error about a worker process that ended; it may come up anywhere."""
    return isinstance(error, RuntimeError) and str(error).startswith("DataLoader worker")


def worker_error(error: RuntimeError, num_workers: int) -> DataError:
    """Return the error to raise in the place of torch's."""
    text = str(error).splitlines()[0].rstrip(". ")
    return DataError(
        f"Training with `num_workers={num_workers}` needs its worker processes to the end",
        f"one of them is gone ({text[:300]})",
        "Make the same call again: it goes on from the last state. If the system is short of memory, or of "
        "room in /dev/shm, take fewer workers",
    )


class Waiting:
    """Says once, in one line of the log, if a run spends a third of its time or more waiting for data."""

    def __init__(self, num_workers: int) -> None:
        self._num_workers = num_workers
        self._batches = 0
        self._waited = self._since = self._start = 0.0

    def begin(self) -> None:
        """The run has nothing left to compute."""
        self._since = time.perf_counter()
        if self._batches == _SETTLING:  # the first ones wait for processes to start
            self._start, self._waited = self._since, 0.0

    def end(self) -> None:
        """The run has a batch."""
        now = time.perf_counter()
        self._waited += now - self._since
        self._batches += 1
        if self._batches != _SETTLING + _MEASURED:
            return
        share = self._waited / (now - self._start) if now > self._start else 0.0
        if share >= _TOO_LONG:
            logger.warning(
                "Training waits for its data %.0f %% of the time (%d steps, num_workers=%d): raise "
                "`num_workers`, or read from a store that `leworld pack` wrote.",
                100 * share,
                _MEASURED,
                self._num_workers,
            )


class _Unread:
    """What a worker sends in place of a batch that it could not read."""

    def __init__(self, error: LeWorldError) -> None:
        self.error = error


class _Reported(Dataset[Any]):
    """A stream whose errors come out of a worker process as they are: torch would make others of them."""

    def __init__(self, stream: Dataset[Any]) -> None:
        self._stream = stream

    def __getitem__(self, step: int) -> Any:
        try:
            return self._stream[step]
        except LeWorldError as error:
            return _Unread(error if _travels(error) else DataError(error.rule, error.got, error.fix))
        except Exception as error:
            return _Unread(
                DataError(
                    "Training needs its worker processes to read every window",
                    f"the batch of step {step} failed ({type(error).__name__}: {str(error)[:300]})",
                    "Train with `num_workers=0` to see where; the same call goes on from the last state",
                )
            )


def _travels(error: LeWorldError) -> bool:
    try:
        return type(pickle.loads(pickle.dumps(error))) is type(error)
    except Exception:
        return False
