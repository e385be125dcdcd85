"""Columns whose reading fails, or ends the process, where a test says; importable by spawned workers."""

import os
import signal
from pathlib import Path

import numpy as np
from torch.utils.data import get_worker_info

from leworld.data import Episodes, LazyColumn, Windows
from tests.training.tiny import tiny_episodes


class Failing(LazyColumn):
    """Pictures in memory; in a worker process that has read `after` batches, reading goes wrong.

    It does so while the file `armed` exists: by SIGKILL, or by the error that `error` makes.
    """

    def __init__(self, armed: Path, *, after: int, error: type[Exception] | None = None) -> None:
        pixels = tiny_episodes().pixels
        assert pixels is not None
        self.pixels = np.asarray(pixels)
        self.shape, self.dtype = self.pixels.shape, self.pixels.dtype
        self.armed, self.after, self.error = armed, after, error
        self.count = 0

    def read(self, rows: np.ndarray) -> np.ndarray:
        if get_worker_info() is not None:
            self.count += 1
            if self.count > self.after and self.armed.exists():
                if self.error is not None:
                    raise self.error("the camera is gone")
                os.kill(os.getpid(), signal.SIGKILL)
        return self.pixels[rows]


def failing_windows(column: LazyColumn) -> Windows:
    known = tiny_episodes()
    return Windows(Episodes(column, known.actions, lengths=known.lengths), 2, frameskip=2)
