"""Mistaken calls on the public names of `leworld.training`, and the errors they must earn."""

import tempfile

import torch
from torch import nn

from leworld.data import RawBatch
from leworld.errors import CheckpointError, ConfigError, NonFiniteError, ShapeError
from leworld.training import (
    CollapseMonitor,
    OptimizerSettings,
    TrainSettings,
    WorldModelModule,
    reestimate_batchnorm,
    reserve_folder,
    train,
)
from tests.bad_input import BadInput
from tests.training.bad_hook_inputs import ROWS as HOOK_ROWS
from tests.training.bad_inverse_inputs import ROWS as INVERSE_ROWS
from tests.training.tiny import tiny_model, tiny_settings, tiny_windows


def _model_without_processor():
    model = tiny_model()
    model.processor = None
    return model


def _train(model, windows, **changes):
    with tempfile.TemporaryDirectory() as folder:
        return train(
            model, windows, folder=folder, **{"settings": tiny_settings(), "progress": False, **changes}
        )


def _broken_state(call):
    def run():
        with tempfile.TemporaryDirectory() as folder:
            with open(f"{folder}/state.ckpt", "wb") as file:
                file.write(b"PK half a file")
            return call(folder)

    return run


def _raw(pixels: torch.Tensor, actions: torch.Tensor) -> RawBatch:
    return RawBatch(pixels, actions, torch.zeros(pixels.shape[:2], dtype=torch.int64))


def _losses(pixels: torch.Tensor, actions: torch.Tensor):
    return WorldModelModule(tiny_model(), settings=tiny_settings()).losses(_raw(pixels, actions), step=0)


_PIXELS = torch.zeros(4, 3, 8, 8, 3, dtype=torch.uint8)
_ACTIONS = torch.zeros(4, 6, 2)
_ROOM = "leworld.training"

ROWS: list[BadInput] = [
    *INVERSE_ROWS,
    *HOOK_ROWS,
    BadInput(
        f"{_ROOM}.TrainSettings",
        "no threads",
        lambda: TrainSettings(num_threads=0),
        ConfigError,
        ("num_threads", "0"),
    ),
    BadInput(
        f"{_ROOM}.OptimizerSettings",
        "learning rate 0",
        lambda: OptimizerSettings(learning_rate=0.0),
        ConfigError,
        ("learning_rate", "above 0"),
    ),
    BadInput(
        f"{_ROOM}.OptimizerSettings",
        "NaN weight decay",
        lambda: OptimizerSettings(weight_decay=float("nan")),
        ConfigError,
        ("weight_decay", "nan"),
    ),
    BadInput(
        f"{_ROOM}.OptimizerSettings",
        "all warm-up",
        lambda: OptimizerSettings(warmup_fraction=1.0),
        ConfigError,
        ("warmup_fraction", "0.9"),
    ),
    BadInput(
        f"{_ROOM}.OptimizerSettings",
        "clipping to 0",
        lambda: OptimizerSettings(gradient_clip=0),
        ConfigError,
        ("gradient_clip",),
    ),
    BadInput(
        f"{_ROOM}.TrainSettings",
        "one-sample batch",
        lambda: TrainSettings(batch_size=1),
        ConfigError,
        ("batch_size", "at least 2"),
    ),
    BadInput(
        f"{_ROOM}.TrainSettings",
        "no steps",
        lambda: TrainSettings(num_steps=0),
        ConfigError,
        ("num_steps", "at least 1"),
    ),
    BadInput(
        f"{_ROOM}.TrainSettings",
        "fractional interval",
        lambda: TrainSettings(save_every=2.5),  # pyright: ignore[reportArgumentType] -- the point
        ConfigError,
        ("save_every", "integer"),
    ),
    BadInput(
        f"{_ROOM}.TrainSettings",
        "unknown precision",
        lambda: TrainSettings(precision="bf16"),  # pyright: ignore[reportArgumentType] -- the point
        ConfigError,
        ("precision", "bf16-mixed"),
    ),
    BadInput(
        f"{_ROOM}.TrainSettings",
        "a dict for the optimizer",
        lambda: TrainSettings(optimizer={"learning_rate": 1.0}),  # pyright: ignore[reportArgumentType] -- the point
        ConfigError,
        ("optimizer", "OptimizerSettings"),
    ),
    BadInput(
        f"{_ROOM}.CollapseMonitor",
        "negative spread",
        lambda: CollapseMonitor(min_std=-1.0),
        ConfigError,
        ("min_std",),
    ),
    BadInput(
        f"{_ROOM}.CollapseMonitor",
        "no patience",
        lambda: CollapseMonitor(patience=0),
        ConfigError,
        ("patience",),
    ),
    BadInput(
        f"{_ROOM}.CollapseMonitor",
        "one-sample batch",
        lambda: CollapseMonitor().update(1, torch.zeros(1, 4)),
        ShapeError,
        ("at least 2", "sample=1"),
    ),
    BadInput(
        f"{_ROOM}.CollapseMonitor",
        "integers",
        lambda: CollapseMonitor().update(1, torch.zeros(8, 4, dtype=torch.int64)),
        ShapeError,
        ("embeddings", "floating-point"),
    ),
    BadInput(
        f"{_ROOM}.CollapseMonitor",
        "NaN",
        lambda: CollapseMonitor().update(1, torch.full((8, 4), torch.nan)),
        NonFiniteError,
        ("embeddings", "32 of 32"),
    ),
    BadInput(
        f"{_ROOM}.WorldModelModule",
        "no processor",
        lambda: WorldModelModule(_model_without_processor()),
        ConfigError,
        ("processor", "fit_processor"),
    ),
    BadInput(
        f"{_ROOM}.WorldModelModule",
        "no world model",
        lambda: WorldModelModule(nn.Linear(2, 2)),  # pyright: ignore[reportArgumentType] -- the point
        ConfigError,
        ("WorldModel", "Linear"),
    ),
    BadInput(
        f"{_ROOM}.WorldModelModule",
        "windows of another history",
        lambda: WorldModelModule(tiny_model(), tiny_windows(3)),
        ConfigError,
        ("history_size", "3 and 2"),
    ),
    BadInput(
        f"{_ROOM}.WorldModelModule",
        "mismatched horizon: too few actions",
        lambda: _losses(_PIXELS, _ACTIONS[:, :4]),
        ShapeError,
        ("frameskip", "4 actions"),
    ),
    BadInput(
        f"{_ROOM}.WorldModelModule",
        "wrong last axis: three action components",
        lambda: _losses(_PIXELS, torch.zeros(4, 6, 3)),
        ShapeError,
        ("action",),
    ),
    BadInput(
        f"{_ROOM}.WorldModelModule",
        "float pixels",
        lambda: _losses(_PIXELS.float(), _ACTIONS),
        ShapeError,
        ("uint8",),
    ),
    BadInput(
        f"{_ROOM}.WorldModelModule",
        "one-sample batch",
        lambda: _losses(_PIXELS[:1], _ACTIONS[:1]),
        ShapeError,
        ("at least 2", "batch=1"),
    ),
    BadInput(
        f"{_ROOM}.reestimate_batchnorm",
        "no batches",
        lambda: reestimate_batchnorm(tiny_model(), []),
        ConfigError,
        ("batches", "none"),
    ),
    BadInput(
        f"{_ROOM}.reestimate_batchnorm",
        "no world model",
        lambda: reestimate_batchnorm(nn.BatchNorm1d(2), []),  # pyright: ignore[reportArgumentType] -- the point
        ConfigError,
        ("WorldModel", "BatchNorm1d"),
    ),
    BadInput(
        f"{_ROOM}.train",
        "no processor",
        lambda: _train(_model_without_processor(), tiny_windows()),
        ConfigError,
        ("processor",),
    ),
    BadInput(
        f"{_ROOM}.train",
        "windows of another frameskip",
        lambda: _train(tiny_model(), tiny_windows(frameskip=3)),
        ConfigError,
        ("frameskip", "3 and 2"),
    ),
    BadInput(
        f"{_ROOM}.train",
        "episodes for windows",
        lambda: _train(tiny_model(), tiny_windows().episodes),
        ConfigError,
        ("windows", "Episodes"),
    ),
    BadInput(
        f"{_ROOM}.train",
        "half a state",
        _broken_state(lambda folder: train(tiny_model(), tiny_windows(), folder=folder, progress=False)),
        CheckpointError,
        ("state.ckpt", "resume=False"),
    ),
    BadInput(
        f"{_ROOM}.reestimate_batchnorm",
        "one batch for many",
        lambda: reestimate_batchnorm(tiny_model(), tiny_windows().__getitems__([0, 1])),  # pyright: ignore[reportArgumentType] -- the point
        ConfigError,
        ("Windows", "RawBatch"),
    ),
    BadInput(
        f"{_ROOM}.reestimate_batchnorm",
        "a list of numbers",
        lambda: reestimate_batchnorm(tiny_model(), [1, 2]),  # pyright: ignore[reportArgumentType] -- the point
        ConfigError,
        ("Windows", "1"),
    ),
    BadInput(
        f"{_ROOM}.reestimate_batchnorm",
        "windows without a processor",
        lambda: reestimate_batchnorm(_model_without_processor(), tiny_windows()),
        ConfigError,
        ("processor",),
    ),
    BadInput(
        f"{_ROOM}.reestimate_batchnorm",
        "one window",
        lambda: reestimate_batchnorm(tiny_model(), tiny_windows(), num_windows=1),
        ConfigError,
        ("num_windows", "at least 2"),
    ),
    BadInput(
        f"{_ROOM}.train",
        "a file for a folder",
        lambda: train(tiny_model(), tiny_windows(), folder=__file__, progress=False),
        CheckpointError,
        ("it is a file",),
    ),
    BadInput(
        f"{_ROOM}.train",
        "a number for a folder",
        lambda: train(tiny_model(), tiny_windows(), folder=3, progress=False),  # pyright: ignore[reportArgumentType] -- the point
        ConfigError,
        ("folder", "3"),
    ),
    BadInput(
        f"{_ROOM}.train",
        "nothing to train",
        lambda: _train(tiny_model().requires_grad_(False), tiny_windows()),
        ConfigError,
        ("at least one parameter",),
    ),
    BadInput(
        f"{_ROOM}.reserve_folder",
        "a file for a folder",
        lambda: reserve_folder(__file__).__enter__(),
        CheckpointError,
        ("it is a file",),
    ),
    BadInput(
        f"{_ROOM}.reserve_folder",
        "no folder",
        lambda: reserve_folder("").__enter__(),
        ConfigError,
        ("folder",),
    ),
    BadInput(
        f"{_ROOM}.train",
        "no devices",
        lambda: _train(tiny_model(), tiny_windows(), devices=0),
        ConfigError,
        ("devices",),
    ),
]
