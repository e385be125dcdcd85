"""Small data sets in the layouts of robot programs, written with the libraries that write the real ones."""

import io
import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

SIDE = 32
BITS = 12


def film(first: int, count: int, *, side: int = SIDE) -> np.ndarray:
    """Frames that say their number in bright and dark blocks, so that no codec can blur it."""
    numbers = first + np.arange(count)
    bits = (numbers[:, None] >> np.arange(16)) & 1
    blocks = (40 + 170 * bits.reshape(count, 4, 4)).astype(np.uint8)
    grey = blocks.repeat(side // 4, axis=1).repeat(side // 4, axis=2)
    return np.repeat(grey[..., None], 3, axis=3)


def numbers_in(frames: np.ndarray) -> np.ndarray:
    """Read the numbers back."""
    step = frames.shape[1] // 4
    blocks = frames[:, step // 2 :: step, step // 2 :: step, 0].reshape(len(frames), 16) > 125
    return (blocks * (1 << np.arange(16))).sum(axis=1)


def write_video(
    path: Path,
    frames: np.ndarray,
    *,
    fps: float = 10,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001))
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "yuv420p"
        stream.options = {"g": "2", "crf": "20", "preset": "12" if "av1" in codec else "ultrafast"} | (
            options or {}
        )
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def png(frame: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(frame).save(stream, "PNG")
    return stream.getvalue()


class RobotSet:
    """Episodes of a robot in memory: what a reader must give back."""

    def __init__(self, lengths: Sequence[int], *, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        total = sum(lengths)
        self.lengths = np.array(lengths)
        self.actions = rng.normal(size=(total, 3)).astype(np.float32)
        self.state = rng.normal(size=(total, 2)).astype(np.float32)
        self.reward = rng.normal(size=total).astype(np.float32)
        self.frame = np.concatenate([np.arange(n) for n in lengths])
        self.episode = np.repeat(np.arange(len(lengths)), lengths)
        self.starts = np.cumsum(lengths) - lengths

    def spans(self) -> list[slice]:
        return [slice(s, s + n) for s, n in zip(self.starts.tolist(), self.lengths.tolist(), strict=True)]


def lerobot(
    folder: Path,
    known: RobotSet,
    *,
    version: str = "v3.0",
    cameras: Sequence[str] = ("observation.images.top",),
    kind: str = "video",
    fps: int = 10,
    video_fps: float | None = None,
    stamps: np.ndarray | None = None,
    files: Sequence[Sequence[int]] | None = None,
    info: dict[str, Any] | None = None,
    **video: Any,
) -> Path:
    """Write a set: `files` says which episodes share a file in version 3; camera i shows row + 1000 * i."""
    stamps = (known.frame / fps).astype(np.float32) if stamps is None else stamps
    files = [list(range(len(known.lengths)))] if files is None else files
    spans = known.spans()
    old = not version.startswith("v3")
    features: dict[str, Any] = {
        "action": {"dtype": "float32", "shape": [3], "names": ["x", "y", "z"]},
        "observation.state": {"dtype": "float32", "shape": [2], "names": None},
        "next.reward": {"dtype": "float32", "shape": [1], "names": None},
        "timestamp": {"dtype": "float32", "shape": [1], "names": None},
    }
    for name in ("frame_index", "episode_index", "index", "task_index"):
        features[name] = {"dtype": "int64", "shape": [1], "names": None}
    for camera in cameras:  # as some authors write it, channel first
        features[camera] = {"dtype": kind, "shape": [3, SIDE, SIDE], "names": ["c", "h", "w"]}
    content = {
        "codebase_version": version,
        "robot_type": "so101",
        "total_episodes": len(known.lengths),
        "total_frames": len(known.actions),
        "fps": fps,
        "chunks_size": 1000,
        "splits": {"train": f"0:{len(known.lengths)}"},
        "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
        if old
        else "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
        if old
        else "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
        "features": features,
    } | (info or {})
    (folder / "meta").mkdir(parents=True)
    (folder / "meta" / "info.json").write_text(json.dumps(content))

    def table(rows: np.ndarray) -> pa.Table:
        columns = {
            "action": pa.FixedSizeListArray.from_arrays(pa.array(known.actions[rows].reshape(-1)), 3),
            "observation.state": pa.array(list(known.state[rows]), pa.list_(pa.float32())),
            "next.reward": pa.array(known.reward[rows]),
            "timestamp": pa.array(stamps[rows]),
            "frame_index": pa.array(known.frame[rows]),
            "episode_index": pa.array(known.episode[rows]),
            "index": pa.array(rows),
            "task_index": pa.array(np.zeros(len(rows), np.int64)),
            "words": pa.array(["x"] * len(rows)),
        }
        for number, camera in enumerate(cameras):
            if kind == "image":
                pictures = [
                    {"bytes": png(film(row + 1000 * number, 1)[0]), "path": None} for row in rows.tolist()
                ]
                columns[camera] = pa.array(
                    pictures, pa.struct([("bytes", pa.binary()), ("path", pa.string())])
                )
        return pa.table(columns)

    def put(name: str, content: pa.Table) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(content, folder / name, row_group_size=7)

    def show(name: str, rows: np.ndarray, number: int) -> None:
        frames = np.concatenate([film(row + 1000 * number, 1) for row in rows.tolist()])
        write_video(folder / name, frames, fps=video_fps or fps, **video)

    rows = np.arange(len(known.actions))
    if old:
        lines = []
        for episode, span in enumerate(spans):
            put(f"data/chunk-000/episode_{episode:06d}.parquet", table(rows[span]))
            lines.append({"episode_index": episode, "tasks": ["push"], "length": int(known.lengths[episode])})
            for number, camera in enumerate(cameras if kind == "video" else ()):
                show(f"videos/chunk-000/{camera}/episode_{episode:06d}.mp4", rows[span], number)
        (folder / "meta" / "episodes.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
        return folder
    meta: dict[str, list[Any]] = {}
    for number, episodes in enumerate(files):
        of_file = np.concatenate([rows[spans[episode]] for episode in episodes])
        put(f"data/chunk-000/file-{number:03d}.parquet", table(of_file))
        for place, camera in enumerate(cameras if kind == "video" else ()):
            show(f"videos/{camera}/chunk-000/file-{number:03d}.mp4", of_file, place)
        start = 0.0
        for episode in episodes:
            length = int(known.lengths[episode])
            entry = {
                "episode_index": episode,
                "tasks": ["push"],
                "length": length,
                "data/chunk_index": 0,
                "data/file_index": number,
                "dataset_from_index": int(known.starts[episode]),
                "dataset_to_index": int(known.starts[episode]) + length,
            }
            for camera in cameras if kind == "video" else ():
                entry |= {
                    f"videos/{camera}/chunk_index": 0,
                    f"videos/{camera}/file_index": number,
                    f"videos/{camera}/from_timestamp": start,
                    f"videos/{camera}/to_timestamp": start + length / fps,
                }
            start += length / fps
            for name, value in entry.items():
                meta.setdefault(name, []).append(value)
    put("meta/episodes/chunk-000/file-000.parquet", pa.table(meta))
    return folder


def rewrite(path: Path, **columns: Any) -> None:
    """Exchange columns of a parquet file."""
    table = pq.read_table(path)
    for name, values in columns.items():
        name = name.replace("__", "/")
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    pq.write_table(table, path)
