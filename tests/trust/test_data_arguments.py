"""Whatever is given to `leworld.data` as arrays, names and numbers works, or ends in a clear error."""

import multiprocessing
import pickle
from collections.abc import Callable
from inspect import isclass, isfunction
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import leworld.data
from leworld.data import (
    Batch,
    Episodes,
    Observation,
    RawBatch,
    Windows,
    action_shift,
    action_statistics,
    fit_processor,
    open_dino_wm,
    open_episodes,
    open_hdf5,
    open_hdf5_groups,
    open_lerobot,
    open_minari,
    open_recordings,
    open_store,
    open_swm_folder,
    open_zarr,
    read_hdf5,
    to_batch,
    write_hdf5,
    write_store,
)
from leworld.errors import LeWorldError
from tests.data.fakes import sensing_episodes
from tests.data.lazy import SparingColumn

FRAMES, ACTIONS, LENGTHS = np.zeros((4, 8, 8, 3), np.uint8), np.ones((4, 2), np.float32), np.array([4])
EPISODES = sensing_episodes([9, 8, 7])
WINDOWS = Windows(EPISODES, 1, frameskip=1, columns=["proprio"])
PROCESSOR = fit_processor(EPISODES, frameskip=1, image_size=8, parts=["proprio"])
RAW = WINDOWS[0]


class Unwilling:
    """Has neither a length nor an array."""

    def __len__(self) -> int:
        raise RuntimeError("no length")

    def __array__(self, *_: object, **__: object) -> np.ndarray:
        raise RuntimeError("no array")


def read_only() -> np.ndarray:
    frames = FRAMES.copy()
    frames.flags.writeable = False
    return frames


VALUES: dict[str, Any] = {
    "nothing": None,
    "an integer": 3,
    "a huge integer": 10**400,
    "70 bits": 2**70,
    "minus one": -1,
    "a float": 1.5,
    "NaN": float("nan"),
    "a text": "proprio",
    "bytes": b"abc",
    "a list": [1, 2, 3, 4],
    "a tuple": (0, 1),
    "ragged": [[1, 2], [3]],
    "a dict": {"a": 1},
    "a set": {1, 2},
    "a range": range(4),
    "a class": int,
    "...": ...,
    "a slice": slice(0, 2),
    "a slice of words": slice("a"),
    "a slice without step": slice(None, None, 0),
    "names": ["proprio"],
    "unknown names": ["zz"],
    "numbers as names": [1],
    "unwilling": Unwilling(),
    "objects": np.array([1, "a", None, 2], object),
    "huge objects": np.array([10**400] * 4, object),
    "masked actions": np.ma.masked_array(ACTIONS, mask=ACTIONS > 0),
    "no axis": np.array(4),
    "one axis": np.ones(4),
    "masked frames": np.ma.masked_array(FRAMES, mask=FRAMES == 0),
    "float frames": FRAMES / 255.0,
    "NaN actions": ACTIONS * np.nan,
    "no actions": ACTIONS[:0],
    "no frames": FRAMES[:0],
    "flags": ACTIONS > 0,
    "complex": ACTIONS * 1j,
    "words": np.array(["a"] * 4),
    "backwards": FRAMES[::-1],
    "actions backwards": ACTIONS[::-1],
    "read-only": read_only(),
    "half": ACTIONS.astype("f2"),
    "long": ACTIONS.astype("longdouble"),
    "big-endian": ACTIONS.astype(">f4"),
    "times": np.zeros(4, "M8[s]"),
    "records": np.zeros(4, [("a", "f4")]),
    "unsigned": np.full((4, 2), 2**64 - 1, np.uint64),
    "1e300": np.full((4, 2), 1e300),
    "infinite": ACTIONS * np.inf,
    "no width": np.ones((4, 0)),
    "no height": FRAMES[:, :0],
    "grey": FRAMES[..., :1],
    "lengths": LENGTHS,
    "negative lengths": -LENGTHS,
    "lengths that overflow": np.array([2**63 - 1, 2**63 - 1, 6]),
    "unsigned lengths": np.array([2**64 - 4], np.uint64),
    "a tensor": torch.ones(4, 2),
    "a tensor with a gradient": torch.ones(4, 2, requires_grad=True),
    "a meta tensor": torch.ones(4, 2, device="meta"),
    "bfloat16": torch.ones(4, 2, dtype=torch.bfloat16),
    "frames as a tensor": torch.from_numpy(FRAMES),
    "meta frames": torch.zeros(4, 8, 8, 3, dtype=torch.uint8, device="meta"),
    "an array of names": np.array(["proprio"]),
}

join = Episodes.from_trajectories
CALLS: dict[str, Callable[[Any, Path], object]] = {
    "Episodes, pixels": lambda v, _: Episodes(v, ACTIONS, lengths=LENGTHS),
    "Episodes, actions": lambda v, _: Episodes(FRAMES, v, lengths=LENGTHS),
    "Episodes, lengths": lambda v, _: Episodes(FRAMES, ACTIONS, lengths=v),
    "Episodes, columns": lambda v, _: Episodes(FRAMES, ACTIONS, lengths=LENGTHS, columns=v),
    "Episodes, column": lambda v, _: with_column("c", v),
    "Episodes, environment_id": lambda v, _: Episodes(FRAMES, ACTIONS, lengths=LENGTHS, environment_id=v),
    "Episodes, fps": lambda v, _: Episodes(FRAMES, ACTIONS, lengths=LENGTHS, fps=v),
    "Episodes, action_choices": lambda v, _: Episodes(FRAMES, ACTIONS, lengths=LENGTHS, action_choices=v),
    "from_trajectories, pixels": lambda v, _: join(v, [ACTIONS]),
    "from_trajectories, film": lambda v, _: join([v], [ACTIONS]),
    "from_trajectories, actions": lambda v, _: join([FRAMES], v),
    "from_trajectories, commands": lambda v, _: join([FRAMES], [v]),
    "from_trajectories, choices": lambda v, _: join([FRAMES], [v], action_choices=2),
    "from_trajectories, columns": lambda v, _: join([FRAMES], [ACTIONS], columns=v),
    "from_trajectories, column": lambda v, _: join([FRAMES], [ACTIONS], columns={"c": v}),
    "from_trajectories, entries": lambda v, _: join(None, [ACTIONS], columns={"c": [v]}),
    "rows": lambda v, _: EPISODES.rows(v),
    "select": lambda v, _: EPISODES.select(v),
    "split, share": lambda v, _: EPISODES.split(v, seed=0),
    "split, seed": lambda v, _: EPISODES.split(0.5, seed=v),
    "observation, names": lambda v, _: EPISODES.observation(v),
    "observation, rows": lambda v, _: EPISODES.observation(["proprio"], v),
    "Windows, episodes": lambda v, _: Windows(v, 1, frameskip=1),
    "Windows, history_size": lambda v, _: Windows(EPISODES, v, frameskip=1),
    "Windows, frameskip": lambda v, _: Windows(EPISODES, 1, frameskip=v),
    "Windows, columns": lambda v, _: WINDOWS.with_columns(v),
    "Windows, index": lambda v, _: WINDOWS[v],
    "Windows, indices": lambda v, _: WINDOWS.__getitems__(v),
    "Windows, collate": lambda v, _: Windows.collate(v),
    "Windows, collate one": lambda v, _: Windows.collate([v]),
    "Windows, part": lambda v, _: Windows(with_column("c", v), 1, frameskip=1, columns=["c"])[0],
    "Windows, reward": lambda v, _: Windows(with_column("reward", v), 1, frameskip=1, columns=["reward"])[0],
    "fit_processor, train": lambda v, _: fit_processor(v, frameskip=1),
    "fit_processor, frameskip": lambda v, _: fit_processor(EPISODES, frameskip=v, image_size=8),
    "fit_processor, image_size": lambda v, _: fit_processor(EPISODES, frameskip=1, image_size=v),
    "fit_processor, image_statistics": lambda v, _: fit_processor(EPISODES, frameskip=1, image_statistics=v),
    "fit_processor, source": lambda v, _: fit_processor(EPISODES, frameskip=1, image_size=8, source=v),
    "fit_processor, parts": lambda v, _: fit_processor(EPISODES, frameskip=1, image_size=8, parts=v),
    "fit_processor, part": lambda v, _: fit_processor(with_column("c", v), frameskip=1, parts=["c"]),
    "Observation, pixels": lambda v, _: Observation(v).to("cpu"),
    "Observation, state": lambda v, _: Observation(state=v).to("cpu"),
    "Observation, parts": lambda v, _: Observation(parts=v),
    "Observation, name": lambda v, _: Observation(FRAMES)[v],
    "Observation, select": lambda v, _: Observation(FRAMES).select(v),
    "Observation, at": lambda v, _: Observation(FRAMES).at(v),
    "Observation, device": lambda v, _: Observation(FRAMES).to(v),
    "RawBatch, observation": lambda v, _: RawBatch(v, RAW.actions, RAW.rows),
    "RawBatch, actions": lambda v, _: RawBatch(RAW.observation, v, RAW.rows),
    "RawBatch, columns": lambda v, _: RawBatch(RAW.observation, RAW.actions, RAW.rows, v),
    "to_batch, raw": lambda v, _: to_batch(v, PROCESSOR),
    "to_batch, processor": lambda v, _: to_batch(RAW, v),
    "Processor, observations": lambda v, _: PROCESSOR.observations(v),
    "Processor, actions": lambda v, _: PROCESSOR.action_blocks(v),
    "LazyColumn, rows": lambda v, _: SparingColumn(FRAMES, 4)[v],
    "action_shift, episodes": lambda v, _: action_shift(v),
    "action_shift, column": lambda v, _: action_shift(EPISODES, column=v),
    "open_episodes, path": lambda v, _: open_episodes(v),
    "open_episodes, cameras": lambda v, path: open_episodes(path, cameras=v),
    "open_lerobot, path": lambda v, _: open_lerobot(v),
    "open_zarr, path": lambda v, _: open_zarr(v),
    "open_zarr, action": lambda v, path: open_zarr(path.with_name("no"), action=v),
    "open_dino_wm, path": lambda v, _: open_dino_wm(v),
    "open_dino_wm, actions": lambda v, path: open_dino_wm(path.with_name("no"), actions=v),
    "open_minari, path": lambda v, _: open_minari(v),
    "open_swm_folder, path": lambda v, _: open_swm_folder(v),
    "open_recordings, path": lambda v, _: open_recordings(v),
    "open_recordings, actions": lambda v, path: open_recordings(path.parent, actions=v),
    "open_recordings, table": lambda v, path: open_recordings(path.parent, table=v),
    "open_hdf5_groups, path": lambda v, _: open_hdf5_groups(v),
    "open_hdf5_groups, group": lambda v, path: open_hdf5_groups(path, group=v),
    "open_hdf5_groups, actions": lambda v, path: open_hdf5_groups(path, group="", actions=v),
    "open_hdf5_groups, cameras": lambda v, path: grouped(path, cameras=v),
    "open_hdf5_groups, columns": lambda v, path: grouped(path, columns=v),
    "open_hdf5_groups, episodes": lambda v, path: grouped(path, episodes=v),
    "open_hdf5_groups, fps": lambda v, path: grouped(path, fps=v),
    "open_hdf5_groups, environment_id": lambda v, path: grouped(path, environment_id=v),
    "open_hdf5, path": lambda v, _: open_hdf5(v),
    "open_hdf5, episodes": lambda v, path: open_hdf5(path, episodes=v),
    "open_hdf5, extra_columns": lambda v, path: open_hdf5(path, extra_columns=v),
    "open_store, path": lambda v, _: open_store(v),
    "open_store, verify": lambda v, path: open_store(path.with_name("no store"), verify=v),
    "write_store, episodes": lambda v, path: write_store(path.with_name("s"), v, overwrite=True),
    "write_store, image_size": lambda v, path: write_store(
        path.with_name("s"), EPISODES, image_size=v if isinstance(v, float) or v is None else 0
    ),
    "write_store, cameras": lambda v, path: write_store(
        path.with_name("s"), EPISODES, cameras=v, overwrite=True
    ),
    "write_store, append": lambda v, path: write_store(path, EPISODES, append=v),
    "read_hdf5, path": lambda v, _: read_hdf5(v),
    "read_hdf5, episodes": lambda v, path: read_hdf5(path, episodes=v),
    "read_hdf5, extra_columns": lambda v, path: read_hdf5(path, extra_columns=v),
    "read_hdf5, environment_id": lambda v, path: read_hdf5(path, environment_id=v),
    "action_statistics, path": lambda v, _: action_statistics(v),
    "action_statistics, column": lambda v, path: action_statistics(path, column=v),
    "write_hdf5, episodes": lambda v, path: write_hdf5(path.with_name("new.h5"), v, overwrite=True),
    "write_hdf5, compression": lambda v, path: write_hdf5(path.with_name("new.h5"), EPISODES, compression=v),
    "write_hdf5, column": lambda v, path: write_hdf5(
        path.with_name("c.h5"), with_column("c", v), overwrite=True
    ),
}
# Walked over elsewhere: what takes an environment, and settings of plain numbers.
ELSEWHERE = {"collect", "ActionStatistics", "PicturePart", "VectorPart", "Processor", "Batch"}
ELSEWHERE |= {"TrainingEpisodes", "episode_digests"}  # in test_training_claim


def grouped(path: Path, **options: Any) -> Episodes:
    """Open a file with one episode of another program."""
    place = path.with_name("one.hdf5")
    with h5py.File(place, "w") as file:
        file["actions"], file["front"], file["proprio"] = ACTIONS, FRAMES, ACTIONS
    return open_hdf5_groups(place, group="", **options)


def with_column(name: str, column: Any) -> Episodes:
    return Episodes(FRAMES, ACTIONS, lengths=LENGTHS, columns={name: column})


def outcome(call: Callable[[Any, Path], object], value: Any, path: Path) -> str:
    """Call and say how it ended: "works", "clear", or the raw error."""
    try:
        call(value, path)
    except LeWorldError as error:
        return "clear" if all((error.rule, error.got, error.fix)) else f"an error without parts: {error.args}"
    except Exception as error:
        return f"raw {type(error).__name__}: {error}"
    return "works"


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "data.h5"
    write_hdf5(path, EPISODES)
    return path


def test_every_public_name_of_the_room_is_walked_over() -> None:
    public = {
        name
        for name, value in vars(leworld.data).items()
        if not name.startswith("_") and (isclass(value) or isfunction(value)) and name[0] != "_"
    }
    walked = {call.partition(",")[0] for call in CALLS}
    assert public - {"TYPE_CHECKING", "room_names"} - ELSEWHERE <= walked


ONLY_CHECKED = ("Processor, observations", "Processor, actions")  # refused by their types alone
MARKED = [pytest.param(call, marks=pytest.mark.shapecheck if call in ONLY_CHECKED else ()) for call in CALLS]


@pytest.mark.parametrize("call", MARKED)
def test_everything_works_or_ends_in_a_clear_error(call: str, stored: Path) -> None:
    ends = {name: outcome(CALLS[call], value, stored) for name, value in VALUES.items()}
    assert {name: end for name, end in ends.items() if end not in ("works", "clear")} == {}
    assert "clear" in ends.values()


def test_a_careless_function_is_rejected(stored: Path) -> None:
    assert outcome(lambda v, _: np.asarray(v).reshape(4, 2), VALUES["ragged"], stored).startswith("raw")
    assert outcome(lambda v, _: len(v), None, stored).startswith("raw TypeError")


def test_masked_entries_are_never_taken_for_numbers() -> None:
    hidden = np.ma.masked_array(np.full((4, 2), 1e30, np.float32), mask=True)
    for call in (
        lambda: Episodes(FRAMES, hidden, lengths=LENGTHS),
        lambda: with_column("c", hidden),
        lambda: join([FRAMES], [ACTIONS], columns={"c": [hidden]}),
        lambda: Observation(state=hidden),
    ):
        with pytest.raises(LeWorldError):
            call()


def test_unusual_numbers_arrive_in_a_batch_as_they_are() -> None:
    values = np.arange(8).reshape(4, 2)
    for dtype in ("f2", ">f4", "f8", "longdouble", "i1", ">i8", "u4", "u8", "?"):
        column = values.astype(dtype)
        column.flags.writeable = False
        episodes = Episodes(read_only()[::-1], ACTIONS[::-1], lengths=LENGTHS, columns={"c": column})
        raw = Windows(episodes, 1, frameskip=1, columns=["c"])[1]
        assert raw.observation["c"][0, 0].tolist() == column[1].tolist()
        assert Observation(state=column).to("cpu")["state"].tolist() == column.tolist()
        batch = to_batch(raw, fit_processor(episodes, frameskip=1, parts=["c"]))
        assert isinstance(batch, Batch)


@pytest.mark.parametrize("context", multiprocessing.get_all_start_methods())
def test_workers_of_every_kind_deliver_the_same_batches(context: str) -> None:
    def pixels(**options: Any) -> list[torch.Tensor]:
        return [raw.pixels for raw in DataLoader(WINDOWS, batch_size=8, **options)]

    got = pixels(num_workers=1, multiprocessing_context=context)
    for one, other in zip(pixels(collate_fn=Windows.collate), got, strict=True):
        assert torch.equal(one, other)


def test_everything_can_be_pickled() -> None:
    for value in (EPISODES, WINDOWS, PROCESSOR, RAW, RAW.observation, to_batch(RAW, PROCESSOR)):
        assert type(pickle.loads(pickle.dumps(value))) is type(value)
    again = pickle.loads(pickle.dumps(WINDOWS))
    assert torch.equal(again[3].pixels, WINDOWS[3].pixels)
    assert pickle.loads(pickle.dumps(PROCESSOR)) == PROCESSOR
