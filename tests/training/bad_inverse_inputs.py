"""Mistaken calls around the inverse model's recipe, and the errors they must earn."""

import tempfile
from typing import Any

import torch

from leworld.errors import CheckpointError, ConfigError, DataError, NonFiniteError
from leworld.training import load_inverse, train_inverse
from tests.bad_input import BadInput
from tests.training.tiny import tiny_episodes, tiny_model, tiny_settings


def _without_statistics():
    model = tiny_model()
    model.processor = None
    return model


def _with_nan():
    model = tiny_model()
    with torch.no_grad():
        next(model.encoder.parameters()).fill_(torch.nan)
    return model


def _row(case: str, error: Any, mentions: tuple[str, ...], **changes: Any) -> BadInput:
    def call() -> object:
        options: dict[str, Any] = {"model": tiny_model(), "episodes": tiny_episodes()}
        options |= {"settings": tiny_settings(num_steps=1), "max_steps": 2, "hidden_dim": 4}
        with tempfile.TemporaryDirectory() as folder:
            if changes.get("state"):
                with open(f"{folder}/state.ckpt", "wb") as file:
                    file.write(b"PK half a file")
            given: dict[str, Any] = {
                name: value() if callable(value) else value for name, value in changes.items()
            }
            given.pop("state", None)
            return train_inverse(folder=folder, progress=False, **(options | given))

    return BadInput("leworld.training.train_inverse", case, call, error, mentions)


ROWS: list[BadInput] = [
    _row("a module for a model", ConfigError, ("model", "WorldModel"), model=lambda: torch.nn.Identity()),
    _row("no processor", ConfigError, ("processor", "statistics"), model=_without_statistics),
    _row("windows for episodes", ConfigError, ("episodes", "Episodes"), episodes=3),
    _row("no episodes", ConfigError, ("episodes", "Episodes"), episodes=None),
    _row("short episodes", DataError, ("21 rows",), max_steps=10),
    _row("a number for settings", ConfigError, ("settings", "TrainSettings"), settings=100),
    _row("no steps to a goal", ConfigError, ("max_steps=0",), max_steps=0),
    _row("no width", ConfigError, ("hidden_dim=0",), hidden_dim=0),
    _row("half a state", CheckpointError, ("state.ckpt",), state=True),
    _row("NaN weights", NonFiniteError, ("embeddings",), model=_with_nan),
    BadInput(
        "leworld.training.load_inverse",
        "no such folder",
        lambda: load_inverse("no/such/folder"),
        CheckpointError,
        ("config.json",),
    ),
    BadInput(
        "leworld.training.load_inverse",
        "a world model's name",
        lambda: load_inverse("lewm-tworoom-tiny"),
        CheckpointError,
        ("lewm-tworoom-tiny",),
    ),
]
