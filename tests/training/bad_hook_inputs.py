"""Mistaken calls on devices, workers and what hooks into training, and the errors they must earn."""

import tempfile
from typing import Any

from leworld.errors import ConfigError, DataError
from leworld.training import Devices, HeldOut, TrainingModule, TrainSettings, train
from tests.bad_input import BadInput
from tests.data.fakes import random_episodes
from tests.training.tiny import tiny_episodes, tiny_model, tiny_settings, tiny_windows

_ROOM = "leworld.training"


class _Step(TrainingModule):
    def losses(self, raw: Any, *, step: int) -> Any:
        return super().losses(raw, step=step)


def _train(**options: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        usual = {"settings": tiny_settings(num_steps=1), "progress": False, "folder": folder}
        return train(tiny_model(), tiny_windows(), **(usual | options))


def _row(
    name: str, case: str, call: Any, words: tuple[str, ...], error: type[Exception] = ConfigError
) -> BadInput:
    return BadInput(f"{_ROOM}.{name}", case, call, error, words)


ROWS: list[BadInput] = [
    _row("TrainSettings", "negative workers", lambda: TrainSettings(num_workers=-1), ("num_workers", "-1")),
    _row(
        "TrainSettings", "half a worker", lambda: TrainSettings(num_workers=0.5), ("num_workers", "integer")
    ),  # type: ignore[arg-type]
    _row("TrainSettings", "a word to save", lambda: TrainSettings(must_save="no"), ("must_save", "no")),  # type: ignore[arg-type]
    _row("Devices", "none", lambda: Devices(0), ("count", "0")),
    _row("Devices", "no machine", lambda: Devices(1, num_nodes=0), ("num_nodes", "0")),
    _row("Devices", "a number for a strategy", lambda: Devices(2, strategy=2), ("strategy", "2")),  # type: ignore[arg-type]
    _row("HeldOut", "windows", lambda: HeldOut(tiny_windows()), ("episodes", "Episodes")),  # type: ignore[arg-type]
    _row("HeldOut", "never", lambda: HeldOut(tiny_episodes(), every=0), ("every", "0")),
    _row("HeldOut", "one window", lambda: HeldOut(tiny_episodes(), num_windows=1), ("num_windows", "1")),
    _row(
        "HeldOut", "a word to measure", lambda: HeldOut(tiny_episodes(), measure="rank"), ("measure", "rank")
    ),  # type: ignore[arg-type]
    _row("HeldOut", "numbers for figures", lambda: HeldOut(tiny_episodes(), figures=(1,)), ("figures", "1")),  # type: ignore[arg-type]
    _row("HeldOut", "a number for the best", lambda: HeldOut(tiny_episodes(), best=1), ("best", "1")),  # type: ignore[arg-type]
    _row(
        "HeldOut", "no patience", lambda: HeldOut(tiny_episodes(), best="loss", patience=0), ("patience", "0")
    ),
    _row("HeldOut", "patience for nothing", lambda: HeldOut(tiny_episodes(), patience=3), ("best", "None")),
    _row("TrainingModule", "no model", lambda: _Step(3), ("WorldModel", "3")),  # type: ignore[arg-type]
    _row("train", "a function for a callback", lambda: _train(callbacks=[print]), ("callbacks", "print")),
    _row("train", "one callback alone", lambda: _train(callbacks=print), ("callbacks", "print")),
    _row("train", "an unknown logger", lambda: _train(logger="excel"), ("logger", "excel", "wandb")),
    _row("train", "a number for a logger", lambda: _train(logger=3), ("logger", "3")),
    _row("train", "held-out windows", lambda: _train(held_out=tiny_windows()), ("episodes", "Episodes")),
    _row("train", "a name for devices", lambda: _train(devices="gpu"), ("devices", "gpu")),
    _row(
        "train",
        "held-out episodes without a window",
        lambda: _train(held_out=random_episodes([3], size=8)),
        ("at least 5 rows", "3"),
        DataError,
    ),
]
