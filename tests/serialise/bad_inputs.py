"""Mistakes at the doors of `leworld.serialise`, and what they must say."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from leworld.errors import CheckpointError, ConfigError, LeWorldError, NonFiniteError
from leworld.nn import Projector
from leworld.probes import RidgeProbe
from leworld.serialise import check_saveable, load_module, load_weights, read_module, save_module
from tests.bad_input import BadInput

_NOWHERE = "/nowhere/at/all"


def row(name: str, case: str, call: Callable[[], object], error: type[LeWorldError], *words: str) -> BadInput:
    return BadInput(f"leworld.serialise.{name}", case, call, error, words)


def save(module: Any, folder: Any = _NOWHERE, **options: Any) -> object:
    return save_module(module, folder, **options)


def stored(use: Callable[[Path], object]) -> object:
    with tempfile.TemporaryDirectory() as place:
        return use(save_module(Projector(4, hidden_dim=8), f"{place}/p"))


def load(kind: Any = nn.Module, **options: Any) -> object:
    return stored(lambda folder: load_module(folder, kind, **options))


ROWS: list[BadInput] = [
    row("load_weights", "no module", lambda: load_weights("x", _NOWHERE), ConfigError, "`module`"),
    row("load_weights", "no file", lambda: load_weights(Projector(4), _NOWHERE), CheckpointError, _NOWHERE),
    row(
        "load_weights",
        "no such file",
        lambda: load_weights(Projector(4), __file__),
        CheckpointError,
        "damaged",
    ),
    row("save_module", "no module", lambda: save("x"), ConfigError, "`module`"),
    row("save_module", "no path", lambda: save(Projector(4), 3), ConfigError, "`folder`", "3"),
    row("save_module", "plain", lambda: save(nn.Linear(2, 2)), CheckpointError, "Linear", "configurable"),
    row("save_module", "not fitted", lambda: save(RidgeProbe(2, 1)), NonFiniteError, "`target_std`"),
    row("save_module", "onto a file", lambda: save(Projector(4), __file__), CheckpointError, "is a file"),
    row(
        "save_module",
        "over other files",
        lambda: save(Projector(4), Path(__file__).parent, overwrite=True),
        CheckpointError,
        "holds",
    ),
    row(
        "save_module",
        "unasked",
        lambda: stored(lambda folder: save(Projector(4), folder)),
        CheckpointError,
        "overwrite=True",
    ),
    row(
        "save_module",
        "provenance",
        lambda: save(Projector(4), provenance={"x": torch.zeros(2)}),
        CheckpointError,
        "JSON",
    ),
    row("check_saveable", "no module", lambda: check_saveable(3), ConfigError, "`module`"),  # type: ignore[arg-type]
    row("check_saveable", "plain", lambda: check_saveable(nn.Linear(2, 2)), CheckpointError, "Linear"),
    row(
        "check_saveable",
        "provenance",
        lambda: check_saveable(Projector(4), provenance={"x": torch.zeros(2)}),
        CheckpointError,
        "JSON",
    ),
    row("read_module", "nothing there", lambda: read_module(_NOWHERE), CheckpointError, _NOWHERE),
    row("read_module", "another file", lambda: read_module(__file__), CheckpointError, "safetensors"),
    row("read_module", "no path", lambda: read_module(3), ConfigError, "`path`", "3"),  # type: ignore[arg-type]
    row("load_module", "nothing there", lambda: load_module(_NOWHERE), CheckpointError, _NOWHERE),
    row("load_module", "another kind", lambda: load(RidgeProbe), CheckpointError, "RidgeProbe", "Projector"),
    row("load_module", "kind in words", lambda: load("Projector"), ConfigError, "`kind`"),
    row(
        "load_module",
        "class of leworld's name",
        lambda: load(classes=[type("Projector", (nn.Module,), {})]),
        ConfigError,
        "`Projector`",
    ),
    row("load_module", "no argument", lambda: load(replace={"dim": 3}), ConfigError, "`dim`", "in_dim"),
]
