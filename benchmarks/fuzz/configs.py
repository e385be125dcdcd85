"""Edit the config beside good weights: the model comes back right, or the config is refused, at a small cost.

Some of the edits are those that a config of its own classes invites, such as a size of 1e9; others are random
changes anywhere in the JSON. A part of the attempts damages the weights too.
"""

import copy
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import leworld
from benchmarks.fuzz import weights
from leworld.data import PicturePart, Processor, VectorPart
from leworld.encoders import ActionEncoder, ConvEncoder, FusedEncoder, VectorEncoder, ViTEncoder
from leworld.models import LeWM
from leworld.nn import Projector, configurable
from leworld.predictors import TransformerPredictor
from leworld.regularizers import ExactSIGReg, SIGReg, SubspaceSIGReg, VISReg, WeakSIGReg

CONFIG = "config.json"
NUMBERS: tuple[Any, ...] = (
    0, -1, 1, 2, 3, 7, 64, 1000, 4095, 4097, 65_537, 10**6, 10**7, 10**8, 10**9, 2**31, 2**63 - 1, 2**63,
    10**30, 10**90, True, False, None, 0.0, -0.0, 0.5, 1e-320, 1e-45, 1e-30, 1e30, 1e308, -1e308, 1e15,
)  # fmt: skip
TEXTS = ("", "x", "auto", "triton", "../../etc/passwd", "os.system", "a\0b", "\u202e", "x" * 5000, "SIGReg")
RAW = ("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1" * 5000, "1e-400", '"\\ud800"', "[" * 2000)


@configurable
class Table(nn.Module):
    """A regularizer of a user's own, whose constructor fills a list and an array."""

    def __init__(self, size: int = 16, width: int = 3, seed: int = 2**40) -> None:
        super().__init__()
        self.values = [0.5 * i for i in range(size)]
        self.array = torch.ones(size, width)
        self.seed = seed

    def forward(self, embeddings: torch.Tensor, *, generator: torch.Generator | None = None) -> torch.Tensor:
        """Return the mean square."""
        del generator
        return embeddings.square().mean()


def _parts(encoder: nn.Module, regularizer: nn.Module) -> LeWM:
    return LeWM(
        encoder,
        TransformerPredictor(8, history_size=2, depth=1, num_heads=2, head_dim=4, mlp_dim=16),
        action_encoder=ActionEncoder(4, 8),
        projector=Projector(8, hidden_dim=16),
        prediction_projector=Projector(8, hidden_dim=16),
        regularizer=regularizer,
    )


def _models() -> list[LeWM]:
    """Small models that use most classes which a config can name."""
    pictures = ConvEncoder(image_size=16, embedding_dim=8, channels=(4, 4))
    tokens = ViTEncoder(image_size=16, patch_size=8, hidden_dim=8, depth=1, num_heads=2, mlp_dim=16)
    both = FusedEncoder({"pixels": pictures, "proprio": VectorEncoder(3, 8)}, 8)
    return [
        _parts(pictures, SIGReg(num_slices=16)),
        _parts(tokens, ExactSIGReg()),
        _parts(both, SubspaceSIGReg(2)),
        _parts(pictures, WeakSIGReg(4)),
        _parts(pictures, VISReg(8)),
        _parts(pictures, Table()),
    ]


_PLACE = tempfile.TemporaryDirectory(prefix="leworld-fuzz-")  # goes when the process ends


@cache
def prepare() -> tuple[Path, ...]:
    """Return folders of good checkpoints, written once a process."""
    place = Path(_PLACE.name)
    folders = []
    for number, model in enumerate(_models()):
        proprio = {"proprio": VectorPart((0.0,) * 3, (1.0,) * 3), "wrist": PicturePart(8)}
        model.processor = Processor(
            16, frameskip=2, action_dim=2, action_mean=(0.0, 0.1), action_std=(1.0, 0.2),
            parts=proprio if number == 2 else {}, environment_id="leworld/TwoRoom-v0",
        )  # fmt: skip
        facts = {"scores": [{"protocol": "p", "success": 50.0, "source": "s"}], "seed": number}
        folders.append(leworld.save(model, place / str(number), provenance=facts))
        leworld.load(folders[-1], classes=[Table])
    return tuple(folders)


def attempt(generator: np.random.Generator, folder: Path) -> str:
    """Copy a good checkpoint, edit its config and perhaps its weights, and load it."""
    folders = prepare()
    source = folders[int(generator.integers(len(folders)))]
    place = folder / "m"
    shutil.copytree(source, place)
    content = json.loads((source / CONFIG).read_text())
    for _ in range(int(generator.integers(1, 4))):
        content = edited(content, generator)
    text = json.dumps(content)
    if generator.random() < 0.1:
        text = text.replace('"seed"', str(generator.choice(["\\u0000", '"se\\ud800ed"', '"seed"'])), 1)
    if generator.random() < 0.1:
        text = text.replace(": 2", f": {RAW[int(generator.integers(len(RAW)))]}", 1)
    (place / CONFIG).write_text(text, encoding="utf-8")
    if generator.random() < 0.15:
        weights.damage(place / weights.WEIGHTS, generator)
    model = leworld.load(place, classes=[Table])
    return check(model, place)


def check(model: Any, place: Path) -> str:
    """Say that a model was loaded, after it has been held against the file and used."""
    stored = weights.values(place / weights.WEIGHTS)
    state = {name: value for name, value in model.state_dict().items() if "_extra_state" not in name}
    if state.keys() != stored.keys() or not all(
        torch.equal(value, stored[name].to(value.dtype)) for name, value in state.items()
    ):
        raise AssertionError("other weights than those in the file")
    leworld.hub.checkpoint_info(place)
    leworld.save(model, place.parent / "again")  # what was accepted can be saved
    return "loaded"


def edited(content: Any, generator: np.random.Generator) -> Any:
    """Return a copy of JSON with one change at a random place."""
    content = json.loads(json.dumps(content))  # no two places share a value, so that no edit comes twice
    places = list(_places(content))
    holder, key = places[int(generator.integers(len(places)))]
    kind = int(generator.integers(12))
    if kind <= 5:
        holder[key] = NUMBERS[int(generator.integers(len(NUMBERS)))]
    elif kind == 6:
        holder[key] = TEXTS[int(generator.integers(len(TEXTS)))]
    elif kind == 7:
        other, name = places[int(generator.integers(len(places)))]
        holder[key] = copy.deepcopy(other[name])
    elif kind == 8 and isinstance(holder, dict):
        holder["x" * int(generator.choice([1, 50, 300, 10_000]))] = holder.pop(key)
    elif kind == 9:
        holder[key] = _many(holder[key], generator)
    elif kind == 10:
        for _ in range(int(generator.choice([3, 20, 70, 150]))):
            holder[key] = (
                [holder[key]] if generator.random() < 0.5 else {"class": "SIGReg", "seed": holder[key]}
            )
    elif isinstance(holder, dict):
        del holder[key]
    return content


def _many(value: Any, generator: np.random.Generator) -> Any:
    count = int(generator.choice([10, 300, 3_000, 30_000, 150_000]))
    count = min(count, 1 + 5_000_000 // len(json.dumps(value)))  # a text of 5 MB is more than enough
    if isinstance(value, dict) and generator.random() < 0.7:
        count = min(count, 3_000)
        return {"class": "dict", **{f"n{i}": value for i in range(count)}}
    return [value if not isinstance(value, dict | list) else 4] * count


def _places(content: Any) -> Any:
    held = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in held:
        yield content, key
        if isinstance(value, dict | list):
            yield from _places(value)
