"""The rows about `Processor`, and the way in which this room words its rows."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from leworld.data import Processor
from leworld.errors import ConfigError, LeWorldError, ShapeError
from tests.bad_input import BadInput

READY: dict[str, Any] = {"frameskip": 2, "action_dim": 2, "action_mean": (0.0, 0.0), "action_std": (1.0, 1.0)}
GOOD_JSON = Processor(8, **READY).to_json()


def row(
    name: str, case: str, call: Callable[[], object], error: type[LeWorldError], *mentions: str
) -> BadInput:
    return BadInput(f"leworld.data.{name}", case, call, error, mentions)


def processor(**changes: Any) -> Callable[[], Processor]:
    return lambda: Processor(**{"image_size": 8, **READY, **changes})


def on_processor(use: Callable[[Processor], object]) -> Callable[[], object]:
    return lambda: use(Processor(8, **READY))


PROCESSOR_ROWS: list[BadInput] = [
    row("Processor", "zero image size", processor(image_size=0), ConfigError, "image_size"),
    row("Processor", "float frameskip", processor(frameskip=1.5), ConfigError, "frameskip", "1.5"),
    row(
        "Processor", "two channels", processor(image_mean=(0.5, 0.5)), ConfigError, "image_mean", "3 numbers"
    ),
    row("Processor", "zero image std", processor(image_std=(1, 0, 1)), ConfigError, "image_std"),
    row("Processor", "mean without std", processor(action_std=None), ConfigError, "together"),
    row("Processor", "wrong size", processor(action_mean=(0.0,)), ConfigError, "action_mean", "2 numbers"),
    row(
        "Processor", "NaN mean", processor(action_mean=(0.0, float("nan"))), ConfigError, "action_mean", "nan"
    ),
    row("Processor", "negative std", processor(action_std=(1.0, -1.0)), ConfigError, "action_std"),
    row("Processor", "text", processor(action_mean="ab"), ConfigError, "action_mean"),
    row("Processor", "numeric name", processor(environment_id=3), ConfigError, "environment_id"),
    row(
        "Processor.observations",
        "float pixels",
        on_processor(lambda p: p.observations(torch.zeros(2, 8, 8, 3))),
        ShapeError,
        "uint8",
        "float32",
    ),
    row(
        "Processor.observations",
        "channel first",
        on_processor(lambda p: p.observations(torch.zeros(2, 3, 8, 8, dtype=torch.uint8))),
        ShapeError,
        "(2, 3, 8, 8)",
    ),
    row(
        "Processor.observations",
        "wrong rank",
        on_processor(lambda p: p.observations(torch.zeros(8, 3, dtype=torch.uint8))),
        ShapeError,
        "(8, 3)",
    ),
    row(
        "Processor.observations",
        "numpy",
        on_processor(lambda p: p.observations(np.zeros((4, 8, 8, 3), np.uint8))),
        ShapeError,
        "`raw`",
        "array",
    ),
    row(
        "Processor.action_blocks",
        "wrong last axis",
        on_processor(lambda p: p.action_blocks(torch.zeros(4, 3))),
        ShapeError,
        "2",
        "3",
    ),
    row(
        "Processor.action_blocks",
        "mismatched horizon",
        on_processor(lambda p: p.action_blocks(torch.zeros(5, 2))),
        ShapeError,
        "frameskip=2",
        "step=5",
    ),
    row(
        "Processor.action_blocks",
        "integers",
        on_processor(lambda p: p.action_blocks(torch.zeros(4, 2, dtype=torch.int64))),
        ShapeError,
        "int64",
    ),
    row(
        "Processor.action_blocks",
        "wrong rank",
        on_processor(lambda p: p.action_blocks(torch.zeros(4))),
        ShapeError,
        "(4,)",
    ),
    row(
        "Processor.action_blocks",
        "no statistics",
        lambda: Processor(8, frameskip=2, action_dim=2).action_blocks(torch.zeros(4, 2)),
        ConfigError,
        "leworld stats",
    ),
    row(
        "Processor.raw_actions",
        "wrong last axis",
        on_processor(lambda p: p.raw_actions(torch.zeros(3, 2))),
        ShapeError,
        "4",
        "frameskip 2 x action_dim 2",
    ),
    row(
        "Processor.raw_actions",
        "no statistics",
        lambda: Processor(8, frameskip=2, action_dim=2).raw_actions(torch.zeros(4)),
        ConfigError,
        "leworld stats",
    ),
    row(
        "Processor.block_bounds",
        "no statistics",
        lambda: Processor(8, frameskip=2, action_dim=2).block_bounds(-1, 1),
        ConfigError,
        "leworld stats",
    ),
    row(
        "Processor.block_bounds",
        "reversed",
        on_processor(lambda p: p.block_bounds(1, -1)),
        ConfigError,
        "low",
    ),
    row(
        "Processor.block_bounds",
        "wrong size",
        on_processor(lambda p: p.block_bounds(np.zeros(3), np.ones(3))),
        ConfigError,
        "`low`",
        "(3,)",
    ),
    row(
        "Processor.block_bounds",
        "NaN",
        on_processor(lambda p: p.block_bounds(-1.0, float("nan"))),
        ConfigError,
        "`high`",
        "nan",
    ),
    row(
        "Processor.block_bounds",
        "text",
        on_processor(lambda p: p.block_bounds("low", "high")),
        ConfigError,
        "`low`",
    ),
    row(
        "Processor.from_json",
        "unknown field",
        lambda: Processor.from_json({**GOOD_JSON, "frame_skip": 2}),
        ConfigError,
        "`frame_skip`",
        "Did you mean `frameskip`?",
    ),
    row(
        "Processor.from_json",
        "missing field",
        lambda: Processor.from_json({k: v for k, v in GOOD_JSON.items() if k != "action_std"}),
        ConfigError,
        "`action_std` is missing",
    ),
    row(
        "Processor.from_json",
        "misspelt field",
        lambda: Processor.from_json(
            {("images_size" if k == "image_size" else k): v for k, v in GOOD_JSON.items()}
        ),
        ConfigError,
        "`images_size`",
        "Did you mean `image_size`?",
    ),
    row(
        "Processor.from_json",
        "ill-typed field",
        lambda: Processor.from_json({**GOOD_JSON, "image_size": "8"}),
        ConfigError,
        "image_size",
        "'8'",
    ),
    row("Processor.from_json", "no mapping", lambda: Processor.from_json([1]), ConfigError, "[1]"),
]
