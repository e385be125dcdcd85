"""Random windows a second: from memory, from a packed store, and from the formats that others train on.

    pip install --no-deps pylance
    python -m benchmarks.data.throughput

Batches of 128 windows of 4 frames, 5 rows apart, at random places of pictures that fit into the page cache,
the same ones from each source in turn; everything has been read before. Figures are the CPU time of one
process, all its threads. The pictures are smooth and move, so that video and JPEG have something to
compress. What each source gives back is compared with the pictures before it is timed.
"""

import importlib.metadata
import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from benchmarks.data.other_formats import Read, h5py_slices, lance_rows, lerobot_set, mean_error
from benchmarks.harness import paired, write_result
from leworld.data import Episodes, Windows, open_hdf5, open_store, write_hdf5, write_store
from leworld.data._store import _shards

NAME, COMMAND = "data_throughput", "python -m benchmarks.data.throughput"
BATCH, HISTORY, FRAMESKIP, LENGTH = 128, 3, 5, 100
FRAMES = {64: 40_000, 224: 3_200}
NUM_SHARDS = 8
MOST_ERROR = 10.0  # levels of 255, of colours in a video; what is stored as it is has none
OURS = ("memory", "packed store")


def episodes(size: int, frames: int) -> Episodes:
    """Return episodes of waves that run over the picture, each episode with its own."""
    rng = np.random.default_rng(0)
    at = 2 * np.pi * np.arange(size) / size
    pixels = np.empty((frames, size, size, 3), np.uint8)
    for first in range(0, frames, LENGTH):
        turns, shift = rng.integers(1, 5, (3, 2)), rng.uniform(0, 2 * np.pi, (3, 2))
        time = 0.1 * np.arange(LENGTH)[:, None]
        for channel in range(3):
            down, across = (
                np.sin(turns[channel, axis] * at + shift[channel, axis] + time) for axis in (0, 1)
            )
            wave = 127.5 + 60 * (down[:, :, None] + across[:, None, :])
            pixels[first : first + LENGTH, ..., channel] = wave.astype(np.uint8)
    pixels.flags.writeable = False
    actions = rng.normal(size=(frames, 2)).astype(np.float32)
    return Episodes(pixels, actions, lengths=np.full(frames // LENGTH, LENGTH))


def reading(source: Episodes) -> Callable[[], None]:
    """Return a function that fetches the next batch of a sequence that is the same for every source."""
    windows = Windows(source, HISTORY, frameskip=FRAMESKIP)
    rng = np.random.default_rng(1)
    batches = itertools.cycle([rng.integers(len(windows), size=BATCH).tolist() for _ in range(64)])

    def fetch() -> None:
        windows.__getitems__(next(batches))

    return fetch


def rows_of_batches(known: Episodes) -> list[np.ndarray]:
    """Return the rows (window, frame) of the batches that `reading` fetches."""
    windows = Windows(known, HISTORY, frameskip=FRAMESKIP)
    rng = np.random.default_rng(1)
    drawn = [rng.integers(len(windows), size=BATCH).tolist() for _ in range(64)]
    return [windows.__getitems__(chosen).rows.numpy() for chosen in drawn]


def read_by(read: Read, batches: list[np.ndarray]) -> Callable[[], None]:
    """Return a function that fetches the pictures of the next batch."""
    turn = itertools.cycle(batches)

    def fetch() -> None:
        read(next(turn))

    return fetch


@click.command(help=__doc__)
@click.option("--repeats", default=40, show_default=True)
def main(repeats: int) -> None:
    """Measure and write."""
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    for size, frames in FRAMES.items():
        known = episodes(size, frames)
        _shards.SHARD_BYTES = known.pixels.nbytes // NUM_SHARDS
        batches = rows_of_batches(known)
        with tempfile.TemporaryDirectory() as text:
            folder = Path(text)
            write_store(folder / "store", known)
            sources = {"memory": known, "packed store": open_store(folder / "store")}
            for compression in ("lzf", "none"):
                path = folder / f"{compression}.h5"
                write_hdf5(path, known, compression=compression)
                sources[f"`open_hdf5`, {compression}"] = open_hdf5(path)
            sources["LeRobot video"] = lerobot_set(folder / "robot", known)
            reads = {name: source.pixels.__getitem__ for name, source in sources.items()}
            others = {
                "h5py, contiguous": h5py_slices(folder / "a.h5", known, chunked=False),
                "h5py, LZF, a chunk a frame": h5py_slices(folder / "b.h5", known, chunked=True),
                "Lance, bytes": lance_rows(folder / "a.lance", known, jpeg=False),
                "Lance, JPEG": lance_rows(folder / "b.lance", known, jpeg=True),
            }
            errors = {}
            for name, read in (reads | others).items():
                errors[name] = mean_error(read, known, batches[0])
                if errors[name] > (MOST_ERROR if "LeRobot" in name or "JPEG" in name else 0):
                    raise click.ClickException(f"{name} gives other pictures: mean error {errors[name]}")
            fetches = {name: reading(source) for name, source in sources.items()}
            fetches |= {name: read_by(read, batches) for name, read in others.items()}
            found = paired(fetches, repeats=repeats, warmup=3)
        best = min(times["median_ms"] for name, times in found.items() if name not in OURS)
        for name, times in found.items():
            told = {"size": size, "source": name, "windows_per_second": BATCH / (1e-3 * times["median_ms"])}
            told |= {"mean_error": errors[name], "times_best_other": best / times["median_ms"]}
            rows.append(told | {"times_memory": 1 / times["ratio"]} | times)
            click.echo(
                f"{size:4d} px  {name:28s} {times['median_ms']:9.2f} ms  "
                f"{told['times_best_other']:6.2f} x the best of others"
            )
    settings = {
        "batch_size": BATCH,
        "frames": HISTORY + 1,
        "frameskip": FRAMESKIP,
        "num_frames": FRAMES,
        "num_shards": NUM_SHARDS,
        "episode_length": LENGTH,
        "repeats": repeats,
        "baselines": {name: importlib.metadata.version(name) for name in ("h5py", "pylance", "av")},
    }
    click.echo(write_result(NAME, command=COMMAND, settings=settings, rows=rows))


if __name__ == "__main__":
    main()
