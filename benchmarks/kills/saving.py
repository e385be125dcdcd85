"""Save a model over an earlier one, and convert it to the published layout and back, while kills come."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import torch

import leworld
from benchmarks.kills import harness
from leworld import _folder
from leworld._random import usual_defaults
from leworld.encoders import ActionEncoder, ViTEncoder
from leworld.hub import convert
from leworld.models import LeWM
from leworld.nn import Projector
from leworld.predictors import TransformerPredictor


@cache
def _model(seed: int) -> LeWM:
    with torch.random.fork_rng(), usual_defaults():  # alike in the processes that are killed
        torch.manual_seed(seed)
        return LeWM(
            ViTEncoder(28, 14, hidden_dim=8, depth=1, num_heads=2, mlp_dim=16),
            TransformerPredictor(8, history_size=1, depth=1, num_heads=2, head_dim=4, mlp_dim=16),
            action_encoder=ActionEncoder(4, 8),
            projector=Projector(8, hidden_dim=16),
            prediction_projector=Projector(8, hidden_dim=16),
        )


def work(folder: Path) -> None:
    """Save one model, save another over it, and convert that there and back, each over what was there."""
    exchange = _folder._exchange

    def watched(one: Path, other: Path) -> bool:
        harness.moment("before the exchange")
        done = exchange(one, other)
        harness.moment("after the exchange")
        return done

    _folder._exchange = watched
    try:
        if not (folder / "model").exists():
            leworld.save(_model(0), folder / "model")
        leworld.save(_model(1), folder / "model", overwrite=True)
        convert(folder / "model", folder / "released", layout="released", overwrite=True)
        convert(folder / "released", folder / "model", overwrite=True)
    finally:
        _folder._exchange = exchange


def outcome(folder: Path) -> str:
    """Return the weights that each checkpoint gives, and what lies in the folders of both."""
    lines = []
    for name in ("model", "released"):
        files = sorted(path.name for path in (folder / name).iterdir())
        lines.append(f"{name} {_weights(leworld.load(folder / name))} {files}")
    return "\n".join(lines)


def after_kill(folder: Path) -> None:
    """Raise unless each checkpoint that is there is one of the two models, whole."""
    whole = {_weights(_model(seed)) for seed in (0, 1)}
    for name in ("model", "released"):
        if (folder / name).exists() and _weights(leworld.load(folder / name)) not in whole:
            raise AssertionError(f"{name} is neither of the models")
    strangers = [path.name for path in folder.iterdir() if path.name[0] != "." and path.name not in _NAMES]
    if strangers:
        raise AssertionError(f"there is {strangers[0]}")


_NAMES = ("model", "released")


def _weights(model: Any) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        if "regularizer" not in name:
            digest.update(name.encode() + value.numpy().tobytes())
    return digest.hexdigest()[:16]
