"""Mistakes that a user of `leworld.data` could make, and the errors that they must earn."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from leworld.data import (
    Episodes,
    Observation,
    Processor,
    Windows,
    fit_processor,
    open_episodes,
    open_hdf5,
    open_store,
    read_hdf5,
    to_batch,
    write_hdf5,
    write_store,
)
from leworld.errors import ConfigError, DataError, LeWorldError, ShapeError
from tests.bad_input import BadInput
from tests.data.bad_column_inputs import ACTIONS, COLUMN_ROWS, FRAMES, batch, collected, episodes
from tests.data.bad_processor_inputs import PROCESSOR_ROWS, READY, row
from tests.data.bad_reader_inputs import READER_ROWS
from tests.data.bad_record_inputs import RECORD_ROWS
from tests.data.fakes import CountingEnv, counting_vector, random_episodes


def _observation(case: str, mentions: tuple[str, ...], error: type[LeWorldError], **parts: Any) -> BadInput:
    return BadInput("leworld.data.Observation", case, lambda: Observation(**parts), error, mentions)


OBSERVATION_ROWS = [
    _observation("floating-point pixels", ("uint8", "float64"), ShapeError, pixels=np.zeros((2, 4, 4, 3))),
    _observation("one frame without axis", ("part[None]", "(8, 8, 3)"), ShapeError, pixels=FRAMES[0]),
    _observation("no array", ("uint8", "[1, 2]"), ShapeError, pixels=[1, 2]),
    _observation(
        "states of another number", ("'state': 3",), ShapeError, pixels=FRAMES, state=np.zeros((3, 2))
    ),
    _observation("state without axis", ("(env, dim)", "(4,)"), ShapeError, pixels=FRAMES, state=np.zeros(4)),
    _observation("nothing", ("at least one part",), ConfigError),
    _observation(
        "a part twice", ("`state`", "one place"), ConfigError, state=ACTIONS, parts={"state": ACTIONS}
    ),
    _observation("a name with a dot", ("'pixels.top'",), ConfigError, parts={"pixels.top": FRAMES}),
    _observation(
        "arrays and tensors", ("Observation.to",), ConfigError, pixels=FRAMES, state=torch.zeros(4, 2)
    ),
    BadInput(
        "leworld.data.Observation",
        "a part that is not there",
        lambda: Observation(FRAMES)["pixel"],
        ConfigError,
        ("`pixel`", "Did you mean `pixels`"),
    ),
]


def in_folder(use: Callable[[Path], object]) -> Callable[[], object]:
    def call() -> object:
        with tempfile.TemporaryDirectory() as folder:
            return use(Path(folder))

    return call


class FloatFrames(CountingEnv):
    def reset(self, *, seed=None, options=None):
        frame, info = super().reset(seed=seed, options=options)
        return frame / 255, info


class WordyState(CountingEnv):
    def reset(self, *, seed=None, options=None):
        frame, _ = super().reset(seed=seed, options=options)
        return frame, {"state": "left room"}


class GrowingState(CountingEnv):
    def step(self, action):
        frame, reward, terminated, truncated, info = super().step(action)
        return frame, reward, terminated, truncated, info | {"state": np.zeros(self.steps + 1)}


def own_file(folder: Path) -> Path:
    write_hdf5(folder / "data.h5", random_episodes([3, 4]))
    return folder / "data.h5"


NAN_ROW = np.array([[0, 0], [np.nan, 0], [0, 0], [0, 0]], np.float32)


ROWS: list[BadInput] = [
    *COLUMN_ROWS,
    *READER_ROWS,
    *RECORD_ROWS,
    row("Episodes", "wrong rank", episodes(FRAMES[0]), ShapeError, "`pixels`", "(8, 8, 3)"),
    row("Episodes", "channel first", episodes(FRAMES.transpose(0, 3, 1, 2)), ShapeError, "(4, 3, 8, 8)"),
    row("Episodes", "float pixels", episodes(FRAMES / 255), ShapeError, "float64", "uint8"),
    row("Episodes", "NaN pixels", episodes(np.full(FRAMES.shape, np.nan)), ShapeError, "uint8"),
    row("Episodes", "torch pixels", episodes(torch.from_numpy(FRAMES)), ShapeError, "uint8 tensor"),
    row("Episodes", "empty", episodes(FRAMES[:0], ACTIONS[:0]), ShapeError, "(0, 8, 8, 3)"),
    row("Episodes", "integer actions", episodes(FRAMES, ACTIONS.astype(int)), ShapeError, "int64"),
    row("Episodes", "flat actions", episodes(FRAMES, ACTIONS[:, 0]), ShapeError, "(4,)"),
    row("Episodes", "fewer actions", episodes(FRAMES, ACTIONS[:3]), ShapeError, "`actions`", "4 rows"),
    row("Episodes", "NaN action inside", episodes(FRAMES, NAN_ROW), DataError, "row 1", "episode 0"),
    row("Episodes", "infinite action", episodes(FRAMES, ACTIONS + np.float32(np.inf)), DataError, "row 0"),
    row("Episodes", "lengths too short", episodes(lengths=np.array([3])), DataError, "3", "4 rows"),
    row("Episodes", "zero length", episodes(lengths=np.array([0, 4])), DataError, "smallest is 0"),
    row("Episodes", "no episodes", episodes(lengths=np.array([], int)), ShapeError, "`lengths`"),
    row("Episodes", "float lengths", episodes(lengths=np.array([4.0])), ShapeError, "float64"),
    row("Episodes", "short column", episodes(columns={"state": ACTIONS[:2]}), ShapeError, "`state`"),
    row("Episodes", "list column", episodes(columns={"state": [1, 2, 3, 4]}), ShapeError, "`state`"),
    row("Episodes.rows", "out of range", lambda: episodes()().rows(1), ConfigError, "[1]"),
    row("Episodes.select", "out of range", lambda: episodes()().select([0, 3]), ConfigError, "[0, 3]"),
    row("Episodes.select", "empty", lambda: episodes()().select([]), ConfigError, "[]"),
    row("Episodes.select", "floats", lambda: episodes()().select([0.5]), ConfigError, "[0.5]"),
    row("Episodes.split", "one episode", lambda: episodes()().split(0.1, seed=0), ConfigError, "1 episodes"),
    row(
        "Episodes.split",
        "share above 1",
        lambda: random_episodes([3] * 3).split(10, seed=0),
        ConfigError,
        "10",
    ),
    row(
        "Episodes.split", "all held out", lambda: random_episodes([3, 3]).split(1.0, seed=0), ConfigError, "1"
    ),
    row(
        "Episodes.split", "bad seed", lambda: random_episodes([3, 3]).split(0.5, seed=-1), ConfigError, "seed"
    ),
    row(
        "Episodes.from_trajectories",
        "two actions fewer",
        lambda: Episodes.from_trajectories([FRAMES], [ACTIONS[:2]]),
        ShapeError,
        "episode 0",
        "(2, 2)",
    ),
    row(
        "Episodes.from_trajectories",
        "lists of different length",
        lambda: Episodes.from_trajectories([FRAMES, FRAMES], [ACTIONS]),
        ShapeError,
        "`actions` has 1",
    ),
    row(
        "Episodes.from_trajectories",
        "frames of different size",
        lambda: Episodes.from_trajectories([FRAMES, FRAMES[:, :4]], [ACTIONS, ACTIONS]),
        ShapeError,
        "episode 1",
        "(4, 4, 8, 3)",
    ),
    row(
        "Episodes.from_trajectories",
        "actions of different size",
        lambda: Episodes.from_trajectories([FRAMES, FRAMES], [ACTIONS, ACTIONS[:, :1]]),
        ShapeError,
        "[1, 2]",
    ),
    row(
        "Episodes.from_trajectories",
        "short column",
        lambda: Episodes.from_trajectories([FRAMES], [ACTIONS], columns={"state": [ACTIONS[:3]]}),
        ShapeError,
        "`state`",
        "3 entries",
    ),
    row("Episodes.from_trajectories", "empty", lambda: Episodes.from_trajectories([], []), ShapeError, "0"),
    row(
        "Windows",
        "too short",
        lambda: Windows(random_episodes([6, 5]), 3, frameskip=2),
        DataError,
        "at least 7 rows",
        "longest has 6",
    ),
    row(
        "Windows", "no history", lambda: Windows(random_episodes([6]), 0, frameskip=2), ConfigError, "history"
    ),
    row(
        "Windows",
        "float frameskip",
        lambda: Windows(random_episodes([6]), 1, frameskip=2.5),
        ConfigError,
        "frameskip",
        "2.5",
    ),
    row(
        "Windows.__getitems__",
        "past the end",
        lambda: Windows(random_episodes([6]), 1, frameskip=2).__getitems__([0, 4]),
        LeWorldError,
        "[0, 4]",
    ),
    row(
        "Windows.__getitems__",
        "empty",
        lambda: Windows(random_episodes([6]), 1, frameskip=2).__getitems__([]),
        LeWorldError,
        "[]",
    ),
    *OBSERVATION_ROWS,
    *PROCESSOR_ROWS,
    row(
        "fit_processor",
        "unknown statistics",
        lambda: fit_processor(random_episodes([3]), frameskip=1, image_statistics="fitted"),
        ConfigError,
        "`fit`",
    ),
    row(
        "fit_processor",
        "zero frameskip",
        lambda: fit_processor(random_episodes([3]), frameskip=0),
        ConfigError,
        "frameskip",
    ),
    row(
        "fit_processor",
        "oblong frames",
        lambda: fit_processor(episodes(FRAMES[:, :4])(), frameskip=1),
        ConfigError,
        "image_size",
        "4 x 8",
    ),
    row(
        "fit_processor",
        "no action",
        lambda: fit_processor(
            episodes(FRAMES[:1], ACTIONS[:1] * np.nan, lengths=np.array([1]))(), frameskip=1
        ),
        DataError,
        "NaN",
    ),
    row(
        "fit_processor",
        "windows instead of episodes",
        lambda: fit_processor(Windows(random_episodes([6]), 1, frameskip=1), frameskip=1),
        ConfigError,
        "`train`",
    ),
    row("to_batch", "no batch", lambda: to_batch(FRAMES, Processor(8, **READY)), ConfigError, "`raw`"),
    row("to_batch", "no processor", lambda: to_batch(batch(), None), ConfigError, "`processor` is None"),
    row(
        "to_batch",
        "another frameskip",
        lambda: to_batch(batch(), Processor(8, **{**READY, "frameskip": 3})),
        ShapeError,
        "frameskip=3",
        "6 actions",
    ),
    row(
        "to_batch",
        "wrong last axis",
        lambda: to_batch(batch(actions=torch.zeros(1, 6, 3)), Processor(8, **READY)),
        ShapeError,
        "3",
    ),
    row(
        "to_batch",
        "float pixels",
        lambda: to_batch(batch(observation=torch.zeros(1, 3, 8, 8, 3)), Processor(8, **READY)),
        ShapeError,
        "uint8",
    ),
    row("collect", "no episodes", collected(CountingEnv, num_episodes=0), ConfigError, "num_episodes"),
    row("collect", "negative seed", collected(CountingEnv, seed=-1), ConfigError, "seed"),
    row("collect", "no environment", collected(lambda: "leworld/TwoRoom-v0"), ConfigError, "gymnasium"),
    row("collect", "no policy", collected(CountingEnv, None), ConfigError, "`policy` is None"),
    row(
        "collect",
        "disabled reset",
        collected(lambda: counting_vector(2, "Disabled")),
        ConfigError,
        "Disabled",
    ),
    row("collect", "float frames", collected(FloatFrames), DataError, "float64", "uint8"),
    row("collect", "words in the info", collected(WordyState), DataError, "`state`", "left room"),
    row("collect", "changing info", collected(GrowingState), DataError, "`state`", "(2,)"),
    row(
        "collect",
        "missing column",
        collected(CountingEnv, columns=["proprio"]),
        DataError,
        "`proprio`",
        "['goal', 'state']",
    ),
    row("collect", "NaN action", collected(CountingEnv, lambda info: np.array([np.nan])), DataError, "nan"),
    row(
        "collect",
        "batched action",
        collected(CountingEnv, lambda info: np.zeros((1, 1))),
        DataError,
        "(1, 1)",
    ),
    row(
        "collect",
        "one action for two copies",
        collected(lambda: counting_vector(2, "SameStep"), lambda info: np.zeros((1, 1))),
        DataError,
        "(2, action)",
        "(1, 1)",
    ),
    row("open_episodes", "nothing there", lambda: open_episodes("nowhere"), DataError, "nowhere", "no such"),
    row(
        "open_episodes",
        "a folder of nothing",
        in_folder(open_episodes),
        DataError,
        "packed store",
        "known format",
    ),
    row("open_hdf5", "no file", lambda: open_hdf5("nowhere.h5"), DataError, "nowhere.h5"),
    row(
        "open_hdf5",
        "episode out of range",
        in_folder(lambda folder: open_hdf5(own_file(folder), episodes=[0, 2])),
        ConfigError,
        "open_hdf5",
        "2 episodes",
        "[0, 2]",
    ),
    row("open_store", "no folder", lambda: open_store("nowhere"), DataError, "nowhere", "there is none"),
    row("open_store", "a number", lambda: open_store(3), ConfigError, "`path` is 3"),  # type: ignore[arg-type]
    row("open_store", "no store", in_folder(open_store), DataError, "index.json", "there is none"),
    row(
        "write_store",
        "a folder of something else",
        in_folder(lambda folder: write_store(own_file(folder).parent, random_episodes([3]))),
        ConfigError,
        "new or empty folder",
    ),
    row(
        "write_store",
        "a store is there",
        in_folder(lambda folder: [write_store(folder, random_episodes([3])) for _ in range(2)]),
        ConfigError,
        "append=True",
        "overwrite=True",
    ),
    row(
        "write_store",
        "a camera that is none",
        in_folder(lambda folder: write_store(folder, random_episodes([3]), cameras=["pixel"])),
        ConfigError,
        "`pixel` is none",
        "Did you mean `pixels`",
    ),
    row(
        "write_store",
        "pictures of two sizes",
        in_folder(lambda folder: write_store(folder, [random_episodes([3]), random_episodes([3], size=8)])),
        DataError,
        "(6, 6, 3)",
        "(8, 8, 3)",
        "image_size",
    ),
    row(
        "write_store",
        "no size",
        in_folder(lambda folder: write_store(folder, random_episodes([3]), image_size=0)),
        ConfigError,
        "image_size=0",
    ),
    row("read_hdf5", "no file", lambda: read_hdf5("nowhere.h5"), DataError, "nowhere.h5"),
    row(
        "read_hdf5",
        "episode out of range",
        in_folder(lambda folder: read_hdf5(own_file(folder), episodes=[0, 2])),
        ConfigError,
        "2 episodes",
        "[0, 2]",
    ),
    row(
        "read_hdf5",
        "empty choice",
        in_folder(lambda folder: read_hdf5(own_file(folder), episodes=slice(5, None))),
        ConfigError,
        "slice(5, None, None)",
    ),
    row(
        "read_hdf5",
        "absent column",
        in_folder(lambda folder: read_hdf5(own_file(folder), extra_columns=["force"])),
        DataError,
        "`force`",
    ),
    row(
        "write_hdf5",
        "existing file",
        in_folder(lambda folder: write_hdf5(own_file(folder), random_episodes([3]))),
        ConfigError,
        "overwrite=True",
    ),
    row(
        "write_hdf5",
        "no folder",
        in_folder(lambda folder: write_hdf5(folder / "a" / "b.h5", random_episodes([3]))),
        ConfigError,
        "no folder",
    ),
    row(
        "write_hdf5",
        "unknown compression",
        in_folder(lambda folder: write_hdf5(folder / "a.h5", random_episodes([3]), compression="lz4")),
        ConfigError,
        "`lzf`",
    ),
    row(
        "write_hdf5",
        "reserved column",
        in_folder(lambda folder: write_hdf5(folder / "a.h5", episodes(columns={"ep_len": ACTIONS})())),
        DataError,
        "ep_len",
    ),
    row(
        "write_hdf5",
        "column of words",
        in_folder(lambda f: write_hdf5(f / "a.h5", episodes(columns={"colour": np.array(["red"] * 4)})())),
        DataError,
        "`colour`",
    ),
    row(
        "write_hdf5",
        "no episodes",
        in_folder(lambda folder: write_hdf5(folder / "a.h5", FRAMES)),
        ConfigError,
        "`episodes`",
    ),
]
