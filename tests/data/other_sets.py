"""Small data sets of other programs, each written with the library that its format belongs to."""

import json
import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
import zarr
from PIL import Image

from tests.data.robot_sets import RobotSet, film, write_video

KNOWN = RobotSet([6, 4, 9])


def zarr_buffer(
    path: Path, known: RobotSet = KNOWN, *, floats: bool = True, zipped: bool = False, **options: Any
) -> Path:
    """A replay buffer as diffusion policy has it, with chunks that episodes do not end at."""
    store = zarr.storage.ZipStore(path, mode="w") if zipped else zarr.storage.LocalStore(path)
    root = zarr.open_group(store, mode="w", zarr_format=2)
    frames = film(0, len(known.actions))
    arrays = {
        "data/img": frames.astype(np.float32) if floats else frames,
        "data/action": known.actions,
        "data/state": known.state,
        "data/keypoint": known.state.reshape(-1, 1, 2).repeat(3, axis=1),
        "meta/episode_ends": np.cumsum(known.lengths),
    }
    for name, value in arrays.items():
        chunks = (5, *value.shape[1:]) if value.ndim < 4 else (5, 20, 20, 3)
        root.create_array(
            name,
            data=value,
            chunks=chunks if name != "meta/episode_ends" else value.shape,
            config={"write_empty_chunks": True},
            **options,
        )
    store.close()
    return path


def dino_wm(path: Path, known: RobotSet = KNOWN, *, tensors: bool = False, lengths: str = "pkl") -> Path:
    (path / "obses").mkdir(parents=True)
    longest = int(known.lengths.max())

    def padded(values: np.ndarray) -> torch.Tensor:
        found = torch.full((len(known.lengths), longest, values.shape[1]), 9999.0)
        for number, span in enumerate(known.spans()):
            found[number, : known.lengths[number]] = torch.from_numpy(values[span])
        return found

    torch.save(padded(known.state), path / "states.pth")
    torch.save(padded(known.state[:, :1]), path / "velocities.pth")
    torch.save(padded(known.actions), path / "rel_actions.pth")
    torch.save(padded(known.actions + 1), path / "abs_actions.pth")
    if lengths == "pkl":
        (path / "seq_lengths.pkl").write_bytes(pickle.dumps(known.lengths.tolist()))
    elif lengths == "numpy pkl":
        (path / "seq_lengths.pkl").write_bytes(pickle.dumps(list(known.lengths)))
    else:
        torch.save(torch.from_numpy(known.lengths), path / "seq_lengths.pth")
    for number, span in enumerate(known.spans()):
        frames = film(span.start, span.stop - span.start)
        if tensors:
            torch.save(torch.from_numpy(frames).float(), path / "obses" / f"episode_{number:03d}.pth")
        else:
            write_video(path / "obses" / f"episode_{number:03d}.mp4", frames)
    return path


def minari(path: Path, known: RobotSet = KNOWN, *, discrete: bool = False) -> Path:
    """An episode of T + 1 rows has T actions, rewards, terminations and truncations."""
    (path / "data").mkdir(parents=True)
    space = {"type": "Discrete", "n": 4, "start": 1} if discrete else {"type": "Box"}
    content = {
        "data_format": "hdf5",
        "env_spec": json.dumps({"id": "PointMaze-v3"}),
        "action_space": json.dumps(space),
    }
    (path / "data" / "metadata.json").write_text(json.dumps(content))
    with h5py.File(path / "data" / "main_data.hdf5", "w") as file:
        for number, span in enumerate(known.spans()):
            group, count = file.create_group(f"episode_{number}"), span.stop - span.start - 1
            group["observations/achieved"] = known.state[span]
            group["observations/image"] = film(span.start, count + 1)
            actions = known.actions[span][:-1]
            group["actions"] = 1 + np.arange(count) % 4 if discrete else actions
            group["rewards"] = known.reward[span][:-1]
            group["terminations"] = np.arange(count) == count - 1
            group["truncations"] = np.zeros(count, bool)
            group.attrs["seed"] = number
    return path


def swm_folder(path: Path, known: RobotSet = KNOWN, *, video: bool = False, last: float = np.nan) -> Path:
    actions = known.actions.copy()
    actions[known.starts + known.lengths - 1] *= last
    reward = np.roll(known.reward, 1)  # with the frame that it came with
    reward[known.starts] = np.nan
    (path / "pixels").mkdir(parents=True)
    columns = {
        "ep_len": known.lengths.astype(np.int32),
        "ep_offset": known.starts.astype(np.int64),
        "action": actions,
        "state": known.state,
        "reward": reward,
        "step_idx": known.frame,
        "policy": np.array(["expert"] * len(actions)),
    }
    for name, value in columns.items():
        np.savez(path / f"{name}.npz", value)
    for number, span in enumerate(known.spans()):
        frames = film(span.start, span.stop - span.start)
        if video:
            write_video(path / "pixels" / f"ep_{number}.mp4", frames)
            continue
        for step, frame in enumerate(frames):
            Image.fromarray(frame).save(path / "pixels" / f"ep_{number}_step_{step}.jpeg")
    return path


def recordings(path: Path, known: RobotSet = KNOWN, *, video: bool = True, whole: bool = False) -> Path:
    path.mkdir()
    lines = []
    for number, span in enumerate(known.spans()):
        name, frames = f"run {number + 8}", film(span.start, span.stop - span.start)
        if video:
            write_video(path / f"{name}.mp4", frames)
        else:
            (path / name).mkdir()
            for step, frame in enumerate(frames):
                Image.fromarray(frame).save(path / name / f"{step}.png")
        rows = [
            [f"{value!r}" for value in (*known.actions[row].tolist(), *known.state[row].tolist())]
            for row in range(span.start, span.stop)
        ]
        if whole:
            lines += [",".join([name, *row]) for row in rows]
        else:
            head = "action.x,action.y,action.z,force,angle"
            (path / f"{name}.csv").write_text("\n".join([head, *map(",".join, rows)]) + "\n")
    if whole:
        head = "episode,action.x,action.y,action.z,force,angle"
        (path / "table.csv").write_text("\n".join([head, *lines]) + "\n")
    return path
