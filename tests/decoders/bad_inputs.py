"""Mistakes at the doors of `leworld.decoders`, and what they must say."""

import dataclasses
import functools
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from leworld.data import Episodes
from leworld.decoders import CrossAttentionDecoder, NormedConvDecoder, load_decoder, save_decoder
from leworld.errors import CheckpointError, ConfigError, DataError, LeWorldError, NonFiniteError, ShapeError
from leworld.training import TrainSettings, train_decoder
from tests.bad_input import BadInput
from tests.decoders.worlds import DotModel, films

NAN = float("nan")


def tiny(**options) -> CrossAttentionDecoder:
    return CrossAttentionDecoder(
        4, **{"image_size": 8, "patch_size": 4, "hidden_dim": 8, "depth": 1, "num_heads": 2, **options}
    )


def row(name: str, case: str, call, error: type[LeWorldError], *mentions: str) -> BadInput:
    return BadInput(f"leworld.decoders.{name}", case, call, error, mentions)


def damaged(damage: Callable[[Path], object]) -> object:
    """Load a folder after something has happened to it."""
    with tempfile.TemporaryDirectory() as place:
        folder = save_decoder(tiny(), Path(place) / "decoder")
        damage(folder)
        return load_decoder(folder)


def weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors")

    return damage


def settings(**changes: object) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        content = json.loads((folder / "config.json").read_text())
        content["architecture"].update(changes)
        (folder / "config.json").write_text(json.dumps(content))

    return damage


def cut(keep: int | None) -> Callable[[Path], object]:
    def damage(folder: Path) -> None:
        file = folder / "model.safetensors"
        file.write_bytes(file.read_bytes()[:keep])

    return damage


def broken() -> CrossAttentionDecoder:
    decoder = tiny()
    decoder.memory.bias.data[0] = float("nan")
    return decoder


def train(
    case: str, error: type[LeWorldError], *mentions: str, model=None, episodes=None, **options
) -> BadInput:
    model, episodes = DotModel() if model is None else model, films(1) if episodes is None else episodes
    chosen = {"folder": "unused", "settings": TrainSettings(num_steps=1), "progress": False, **options}
    call = functools.partial(train_decoder, model, episodes, **chosen)
    return BadInput("leworld.training.train_decoder", case, call, error, mentions)


def blind() -> DotModel:
    model = DotModel()
    model.processor = None
    return model


def sick() -> DotModel:
    model = DotModel()
    model.scale.data.fill_(NAN)
    return model


def oblong() -> Episodes:
    episodes = films(1)
    return dataclasses.replace(episodes, pixels=episodes.pixels[:, :8])


ROWS: list[BadInput] = [
    row("NormedConvDecoder", "an odd side", lambda: NormedConvDecoder(4, 6), ConfigError, "image_size=6"),
    row("NormedConvDecoder", "no size", lambda: NormedConvDecoder(0, 16), ConfigError, "embedding_dim=0"),
    row("NormedConvDecoder", "no stage", lambda: NormedConvDecoder(4, 16, channels=()), ConfigError, "stage"),
    row(
        "NormedConvDecoder",
        "other latents",
        lambda: NormedConvDecoder(4, 16, channels=(4, 4))(torch.zeros(2, 5)),
        ShapeError,
        "embedding_dim",
    ),
    row("CrossAttentionDecoder", "no embedding", lambda: CrossAttentionDecoder(0), ConfigError, "embedding"),
    row("CrossAttentionDecoder", "patch", lambda: tiny(patch_size=3), ConfigError, "patch_size=3", "divide"),
    row("CrossAttentionDecoder", "heads", lambda: tiny(num_heads=3), ConfigError, "num_heads=3", "divide"),
    row("CrossAttentionDecoder", "no layers", lambda: tiny(depth=0), ConfigError, "depth"),
    row("CrossAttentionDecoder", "no keys", lambda: tiny(num_keys=0), ConfigError, "num_keys"),
    row("CrossAttentionDecoder", "fraction", lambda: tiny(hidden_dim=8.5), ConfigError, "hidden_dim"),
    row("CrossAttentionDecoder", "channels", lambda: tiny(channels=0), ConfigError, "channels"),
    row("CrossAttentionDecoder", "mlp", lambda: tiny(mlp_dim=-1), ConfigError, "mlp_dim"),
    row("CrossAttentionDecoder", "a path", lambda: tiny()(torch.ones(2, 3, 4)), ShapeError, "batch, dim"),
    row("CrossAttentionDecoder", "one alone", lambda: tiny()(torch.ones(4)), ShapeError, "batch, dim"),
    row("CrossAttentionDecoder", "other model", lambda: tiny()(torch.ones(2, 5)), ShapeError, "= 4", "5"),
    row("CrossAttentionDecoder", "integers", lambda: tiny()(torch.ones(2, 4).long()), ShapeError, "floating"),
    row(
        "save_decoder", "a layer", lambda: save_decoder(torch.nn.Linear(2, 2), "x"), ConfigError, "leworld.s"
    ),
    row("save_decoder", "NaN", lambda: save_decoder(broken(), "x"), NonFiniteError, "memory.bias"),
    row("load_decoder", "no file", lambda: load_decoder("nowhere/x"), CheckpointError, "nowhere"),
    row("load_decoder", "empty", lambda: damaged(cut(0)), CheckpointError, "whole"),
    row("load_decoder", "cut off", lambda: damaged(cut(-9)), CheckpointError, "whole"),
    row(
        "load_decoder",
        "another module",
        lambda: damaged(
            settings(**{"class": "SIGReg"}, **dict.fromkeys(tiny().config.arguments)),
        ),
        CheckpointError,
        "SIGReg",
    ),
    row(
        "load_decoder",
        "unknown class",
        lambda: damaged(settings(**{"class": "Evil"})),
        CheckpointError,
        "`Evil`",
    ),
    row("load_decoder", "option", lambda: damaged(settings(colour="red")), CheckpointError, "colour"),
    row(
        "load_decoder",
        "huge",
        lambda: damaged(settings(hidden_dim=2**20)),
        CheckpointError,
        "hidden_dim=1048576",
    ),
    row("load_decoder", "deep", lambda: damaged(settings(depth=10**9)), CheckpointError, "depth"),
    row(
        "load_decoder",
        "missing",
        lambda: damaged(weights(lambda t: t.pop("queries"))),
        CheckpointError,
        "queries",
        "missing",
    ),
    row(
        "load_decoder",
        "extra",
        lambda: damaged(weights(lambda t: t.update(more=torch.ones(1)))),
        CheckpointError,
        "more",
    ),
    row(
        "load_decoder",
        "NaN",
        lambda: damaged(weights(lambda t: t["queries"].fill_(NAN))),
        CheckpointError,
        "queries",
        "NaN",
    ),
    row(
        "load_decoder",
        "whole numbers",
        lambda: damaged(weights(lambda t: t.update(queries=t["queries"].long()))),
        CheckpointError,
        "queries",
        "int64",
    ),
    train("a class", ConfigError, "model", model=DotModel),
    train("pixels", ConfigError, "episodes", episodes=films(1).pixels),
    train("no processor", ConfigError, "processor", model=blind()),
    train("oblong", DataError, "8 high", "16 wide", episodes=oblong()),
    train("a layer", ConfigError, "CrossAttentionDecoder", decoder=torch.nn.Linear(2, 2)),
    train("another decoder", ConfigError, "(2, 16, 3)", "(4, 8, 3)", decoder=tiny()),
    train("a number", ConfigError, "settings", settings=100),
    train("NaN", NonFiniteError, "encode", model=sick()),
]
