"""The rows about `Processor`, and the way in which this room words its rows."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from leworld.data import Observation, PicturePart, Processor, VectorPart
from leworld.errors import ConfigError, LeWorldError, NonFiniteError, ShapeError
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


NANS = torch.full((3,), torch.nan)
FRAME = np.zeros((1, 8, 8, 3), np.uint8)
VECTOR = VectorPart((0.0, 0.0), (1.0, 1.0))
RICH = Processor(8, **READY, parts={"proprio": VECTOR})
CHOOSING = Processor(8, frameskip=1, action_dim=3, action_choices=3)


def stored_part(**changes: Any) -> Callable[[], Processor]:
    part = {"name": "x", "kind": "vector", "mean": [0.0], "std": [1.0], **changes}
    return lambda: Processor.from_json({**GOOD_JSON, "parts": [part]})


PART_ROWS: list[BadInput] = [
    row("PicturePart", "zero size", lambda: PicturePart(0), ConfigError, "image_size"),
    row("PicturePart", "no mean", lambda: PicturePart(8, mean=(0.5,)), ConfigError, "`mean`", "3 numbers"),
    row("PicturePart", "zero std", lambda: PicturePart(8, std=(1, 0, 1)), ConfigError, "`std`"),
    row("VectorPart", "empty", lambda: VectorPart((), ()), ConfigError, "`mean`"),
    row("VectorPart", "sizes differ", lambda: VectorPart((0.0,), (1.0, 1.0)), ConfigError, "1 numbers"),
    row("VectorPart", "negative std", lambda: VectorPart((0.0,), (-1.0,)), ConfigError, "`std`"),
    row("Processor", "no part", processor(image_size=None), ConfigError, "image_size", "`parts`"),
    row("Processor", "pixels twice", processor(parts={"pixels": VECTOR}), ConfigError, "'pixels'"),
    row("Processor", "dotted part", processor(parts={"a.b": VECTOR}), ConfigError, "'a.b'"),
    row("Processor", "part without kind", processor(parts={"x": 3}), ConfigError, "PicturePart", "`x` is 3"),
    row("Processor", "listed parts", processor(parts=["x"]), ConfigError, "mapping"),
    row("Processor", "zero fps", processor(fps=0), ConfigError, "fps"),
    row("Processor", "other choices", processor(action_choices=3), ConfigError, "action_choices=3"),
    row(
        "Processor",
        "z-scored choices",
        processor(action_choices=2, action_mean=(0.5, 0.5)),
        ConfigError,
        "one-hot",
    ),
    row(
        "Processor.observations",
        "missing part",
        lambda: RICH.observations(Observation(FRAME)),
        ConfigError,
        "`pixels`, `proprio`",
        "`proprio` is missing",
    ),
    row(
        "Processor.observations",
        "wrong size of a vector",
        lambda: RICH.observations(
            Observation(np.zeros((1, 8, 8, 3), np.uint8), {"proprio": np.ones((1, 3))})
        ),
        ShapeError,
        "`proprio` with 2 numbers",
    ),
    row(
        "Processor.observations",
        "NaN in a vector",
        lambda: RICH.observations(Observation(FRAME, {"proprio": np.full((1, 2), np.nan)})),
        NonFiniteError,
        "`proprio`",
    ),
    row(
        "Processor.raw_observations",
        "unknown part",
        lambda: RICH.raw_observations(Observation(parts={"propio": torch.zeros(1, 2)})),
        ConfigError,
        "Did you mean `proprio`",
    ),
    row(
        "Processor.raw_observations",
        "integers",
        lambda: RICH.raw_observations(Observation(parts={"proprio": torch.zeros(1, 2, dtype=torch.int64)})),
        ShapeError,
        "int64",
    ),
    row(
        "Processor.raw_observations",
        "channel last",
        lambda: RICH.raw_observations(torch.zeros(8, 8, 3)),
        ShapeError,
        "(8, 8, 3)",
    ),
    row("Processor.choices", "amounts", lambda: RICH.choices(torch.zeros(2)), ConfigError, "action_choices"),
    row("Processor.choices", "wrong size", lambda: CHOOSING.choices(torch.zeros(2)), ShapeError, "3"),
    row(
        "Processor.choices",
        "NaN",
        lambda: CHOOSING.choices(torch.full((3,), torch.nan)),
        NonFiniteError,
        "NaN",
    ),
    row("Processor.one_hot", "no choice", lambda: CHOOSING.one_hot(torch.tensor([3])), ConfigError, "0 to 2"),
    row("Processor.one_hot", "floats", lambda: CHOOSING.one_hot(torch.zeros(1)), ShapeError, "`index`"),
    row("Processor.from_json", "unknown kind", stored_part(kind="sound"), ConfigError, "sound"),
    row("Processor.from_json", "stray field", stored_part(size=3), ConfigError, "`size` is unknown"),
    row(
        "Processor.from_json",
        "part without std",
        lambda: Processor.from_json({**GOOD_JSON, "parts": [{"name": "x", "kind": "vector", "mean": [0.0]}]}),
        ConfigError,
        "`std` is missing",
    ),
    row(
        "Processor.from_json",
        "parts by name",
        lambda: Processor.from_json({**GOOD_JSON, "parts": {"x": 1}}),
        ConfigError,
        "`parts` to be a list",
    ),
]

PROCESSOR_ROWS: list[BadInput] = [
    *PART_ROWS,
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
        on_processor(lambda p: p.observations(torch.zeros(2, 8, 8, 3, dtype=torch.float32))),
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
