"""Trains the tiny model in a process of its own and kills it with SIGKILL where it is told to."""

import os
import signal
import sys
from pathlib import Path

import torch

from leworld.training import WorldModelModule, train
from tests.training.tiny import tiny_model, tiny_settings, tiny_windows


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(folder: str, where: str, step: int) -> None:
    if where == "step":
        forward = WorldModelModule.losses

        def losses(self, raw, *, step: int):
            if step == last:
                die()
            return forward(self, raw, step=step)

        last = step
        WorldModelModule.losses = losses
    else:  # in the middle of writing the state of that step
        rename = Path.replace

        def replace(self, target):
            if self.name.endswith(".unfinished"):
                nonlocal writes
                writes += 1
                if writes == step:
                    with self.open("r+b") as file:
                        file.truncate(self.stat().st_size // 2)
                    die()
            return rename(self, target)

        writes = 0
        Path.replace = replace
    train(tiny_model(), tiny_windows(), folder=folder, settings=tiny_settings(), progress=False)


if __name__ == "__main__":
    torch.set_default_dtype(getattr(torch, sys.argv[4]))
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
