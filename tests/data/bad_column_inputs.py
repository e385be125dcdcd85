"""The rows about columns and further parts of an observation, and the arrays that all rows start from."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from leworld.data import Episodes, Processor, RawBatch, Windows, collect, fit_processor, to_batch
from leworld.errors import ConfigError, DataError, LeWorldError, ShapeError
from tests.data.bad_processor_inputs import READY, row
from tests.data.fakes import CountingEnv, TwoCameraEnv, random_episodes, steady_policy

FRAMES = np.zeros((4, 8, 8, 3), np.uint8)
ACTIONS = np.zeros((4, 2), np.float32)
LENGTHS = np.array([4])


def episodes(pixels: Any = FRAMES, actions: Any = ACTIONS, **options: Any) -> Callable[[], Episodes]:
    return lambda: Episodes(pixels, actions, **{"lengths": LENGTHS, **options})


def collected(env: Callable[[], Any], policy: Any = steady_policy, **options: Any) -> Callable[[], Episodes]:
    return lambda: collect(env(), policy, **{"num_episodes": 1, "seed": 0, "progress": False, **options})


def batch(**changes: Any) -> RawBatch:
    parts = {
        "observation": torch.zeros(1, 3, 8, 8, 3, dtype=torch.uint8),
        "actions": torch.zeros(1, 6, 2),
        "rows": torch.zeros(1, 3, dtype=torch.int64),
    }
    return RawBatch(**{**parts, **changes})


def with_columns(**columns: Any) -> Episodes:
    return Episodes(FRAMES, ACTIONS, lengths=LENGTHS, columns=columns)


WORDS = np.array(["red"] * 4)
COLUMN_ROWS = [
    row("Episodes", "nothing sensed", episodes(None), ConfigError, "`pixels` is None"),
    row("Episodes", "negative fps", episodes(fps=-1), ConfigError, "fps"),
    row("Episodes", "amounts for choices", episodes(action_choices=2), DataError, "one-hot", "row 0"),
    row("Episodes", "other choices", episodes(action_choices=3), ShapeError, "action_choices=3"),
    row(
        "Episodes.observation",
        "absent part",
        lambda: with_columns(state=ACTIONS).observation(["stat"]),
        ConfigError,
        "Did you mean `state`",
    ),
    row(
        "Episodes.observation",
        "words",
        lambda: with_columns(colour=WORDS).observation(["colour"]),
        ShapeError,
        "`colour`",
    ),
    row(
        "Episodes.observation",
        "a grid of numbers",
        lambda: with_columns(points=np.zeros((4, 3, 2))).observation(["points"]),
        ShapeError,
        "(4, 3, 2)",
        "reshape",
    ),
    row(
        "Episodes.from_trajectories",
        "a choice too many",
        lambda: Episodes.from_trajectories([FRAMES], [np.array([0, 1, 3])], action_choices=3),
        DataError,
        "0 to 2",
    ),
    row(
        "Episodes.from_trajectories",
        "choices without their number",
        lambda: Episodes.from_trajectories([FRAMES], [np.array([0, 1, 3])]),
        ShapeError,
        "action_choices",
    ),
    row(
        "Windows",
        "absent column",
        lambda: Windows(with_columns(), 1, frameskip=1, columns=["proprio"]),
        ConfigError,
        "`proprio`",
    ),
    row(
        "Windows.with_columns",
        "vectors as rewards",
        lambda: Windows(with_columns(reward=ACTIONS), 1, frameskip=1).with_columns(["reward"]),
        ShapeError,
        "`reward`",
        "one number a row",
    ),
    row("RawBatch", "no tensor", lambda: batch(observation=FRAMES), ConfigError, "Observation"),
    row("RawBatch", "windows missing", lambda: batch(rows=torch.zeros(2, 3).long()), ShapeError, "'rows': 2"),
    row("RawBatch.__getitem__", "past the end", lambda: batch()[1], LeWorldError, "between -1 and 0"),
    row(
        "fit_processor",
        "absent part",
        lambda: fit_processor(random_episodes([3]), frameskip=1, parts=["proprio"]),
        ConfigError,
        "`proprio`",
    ),
    row(
        "fit_processor",
        "one name as parts",
        lambda: fit_processor(random_episodes([3]), frameskip=1, parts="proprio"),
        ConfigError,
        "list of names",
    ),
    row(
        "fit_processor",
        "a size for a vector",
        lambda: fit_processor(with_columns(state=ACTIONS), frameskip=1, parts={"state": 8}),
        ConfigError,
        "`state` is a vector",
    ),
    row(
        "fit_processor",
        "NaN in a vector",
        lambda: fit_processor(with_columns(state=ACTIONS * np.nan), frameskip=1, parts=["state"]),
        DataError,
        "`state`",
        "row 0",
    ),
    row(
        "to_batch",
        "a part that was not taken along",
        lambda: to_batch(
            batch(),
            Processor(
                8, **READY, parts=fit_processor(with_columns(x=ACTIONS), frameskip=1, parts=["x"]).parts
            ),
        ),
        ConfigError,
        "`x` is missing",
        "with_columns",
    ),
    row("collect", "own column", collected(CountingEnv, columns=["reward"]), ConfigError, "`reward`"),
    row("collect", "zero fps", collected(CountingEnv, fps=0), ConfigError, "fps"),
    row(
        "collect",
        "a choice too many",
        collected(lambda: TwoCameraEnv(choices=3, start=1), lambda info: 4),
        DataError,
        "from 1 to 3",
        "4",
    ),
    row(
        "collect",
        "one-hot choices",
        collected(lambda: TwoCameraEnv(choices=3), lambda info: np.eye(3)[0]),
        DataError,
        "one-hot",
    ),
]
