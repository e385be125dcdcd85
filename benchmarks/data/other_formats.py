"""The same pictures in the formats of others, read as their users do: h5py, Lance, a LeRobot video."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from leworld.data import Episodes, open_lerobot

JPEG_QUALITY = 95  # stable-worldmodel's
VIDEO_OPTIONS = {"g": "2", "crf": "30"}  # LeRobot's: a key frame every other frame
CAMERA = "observation.images.top"
Read = Callable[[np.ndarray], np.ndarray]  # rows (window, frame) -> pictures


def h5py_slices(path: Path, episodes: Episodes, *, chunked: bool) -> Read:
    """A contiguous data set, or one with a chunk a frame, compressed by LZF; each read the fastest way tried.

    That is one slice a window of the first, thinned out in memory, and frame by frame of the second.
    """
    import h5py

    pictures = episodes.pixels
    options = {"chunks": (1, *pictures.shape[1:]), "compression": "lzf"} if chunked else {}
    with h5py.File(path, "w") as file:
        file.create_dataset("pixels", data=pictures, **options)
    stored = h5py.File(path, "r")["pixels"]

    def read(rows: np.ndarray) -> np.ndarray:
        if chunked:
            return np.stack([[stored[row] for row in window] for window in rows.tolist()])
        step = int(rows[0, 1] - rows[0, 0])
        return np.stack([stored[window[0] : window[-1] + 1][::step] for window in rows])

    return read


def lance_rows(path: Path, episodes: Episodes, *, jpeg: bool) -> Read:
    """Random rows by `take`, the pictures as plain bytes or as JPEG files."""
    import lance
    import pyarrow as pa
    from PIL import Image

    pictures = episodes.pixels

    def file_of(picture: np.ndarray) -> bytes:
        stream = io.BytesIO()
        Image.fromarray(picture).save(stream, "JPEG", quality=JPEG_QUALITY)
        return stream.getvalue()

    kind = pa.binary() if jpeg else pa.binary(pictures[0].nbytes)
    cells = [file_of(picture) if jpeg else picture.tobytes() for picture in pictures]
    lance.write_dataset(pa.table({"pixels": pa.array(cells, kind)}), str(path))
    stored, shape = lance.dataset(str(path)), pictures.shape[1:]

    def picture_of(cell: bytes) -> np.ndarray:
        return (
            np.asarray(Image.open(io.BytesIO(cell))) if jpeg else np.frombuffer(cell, np.uint8).reshape(shape)
        )

    def read(rows: np.ndarray) -> np.ndarray:
        cells = stored.take(rows.reshape(-1).tolist(), columns=["pixels"]).column("pixels").to_pylist()
        return np.stack([picture_of(cell) for cell in cells]).reshape(*rows.shape, *shape)

    return read


def lerobot_set(folder: Path, episodes: Episodes, *, fps: int = 10) -> Episodes:
    """Write a LeRobot data set, version 3.0, with one video of all episodes, and open it."""
    import av
    import pyarrow as pa
    import pyarrow.parquet as pq

    lengths, total = episodes.lengths.tolist(), episodes.num_rows
    height, width = episodes.pixels.shape[1:3]
    features = {
        "action": {"dtype": "float32", "shape": [episodes.action_dim]},
        "timestamp": {"dtype": "float32", "shape": [1]},
        "episode_index": {"dtype": "int64", "shape": [1]},
        "frame_index": {"dtype": "int64", "shape": [1]},
        CAMERA: {"dtype": "video", "shape": [height, width, 3]},
    }
    info = {
        "codebase_version": "v3.0",
        "fps": fps,
        "features": features,
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
    }
    table, meta, video = (
        folder / name
        for name in (
            "data/chunk-000/file-000.parquet",
            "meta/episodes/chunk-000/file-000.parquet",
            f"videos/{CAMERA}/chunk-000/file-000.mp4",
        )
    )
    for place in (table, meta, video):
        place.parent.mkdir(parents=True)
    (folder / "meta" / "info.json").write_text(json.dumps(info), encoding="utf-8")
    frame = np.concatenate([np.arange(length) for length in lengths])
    columns = {
        "action": list(np.nan_to_num(episodes.actions)),
        "timestamp": (frame / fps).astype(np.float32),
        "episode_index": np.repeat(np.arange(len(lengths)), lengths),
        "frame_index": frame,
    }
    pq.write_table(pa.table(columns), table)
    ends = np.cumsum(lengths)
    numbers = {"episode_index": list(range(len(lengths))), "length": lengths}
    numbers |= {
        f"{stem}/{kind}_index": [0] * len(lengths)
        for stem in ("data", f"videos/{CAMERA}")
        for kind in ("chunk", "file")
    }
    numbers |= {f"videos/{CAMERA}/from_timestamp": ((ends - lengths) / fps).tolist()}
    numbers |= {f"videos/{CAMERA}/to_timestamp": (ends / fps).tolist()}
    pq.write_table(pa.table(numbers), meta)
    with av.open(str(video), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        stream.options = dict(VIDEO_OPTIONS)
        for first in range(0, total, 256):
            for picture in episodes.pixels[first : first + 256]:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return open_lerobot(folder)


def mean_error(read: Read, episodes: Episodes, rows: np.ndarray) -> float:
    """Return the mean error of pictures that a format gives back, in levels of 255."""
    found, due = read(rows), episodes.pixels[rows]
    return float(np.abs(found.astype(np.int16) - due.astype(np.int16)).mean())
