"""Random windows a second: from memory, from a packed store, from HDF5 files.

    python -m benchmarks.data.throughput

Batches of 128 windows of 4 frames, 5 rows apart, at random places of noise that fits into the page cache,
the same ones from each source in turn; everything has been read before. CPU time of one process, one thread.
"""

import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from benchmarks.harness import paired, write_result
from leworld.data import Episodes, Windows, open_hdf5, open_store, write_hdf5, write_store
from leworld.data._store import _shards

NAME, COMMAND = "data_throughput", "python -m benchmarks.data.throughput"
BATCH, HISTORY, FRAMESKIP, LENGTH = 128, 3, 5, 100
FRAMES = {64: 40_000, 224: 3_200}
NUM_SHARDS = 8


def episodes(size: int, frames: int) -> Episodes:
    """Return episodes of noise."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (frames, size, size, 3), np.uint8)
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


@click.command(help=__doc__)
@click.option("--repeats", default=60, show_default=True)
def main(repeats: int) -> None:
    """Measure and write."""
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    for size, frames in FRAMES.items():
        known = episodes(size, frames)
        _shards.SHARD_BYTES = known.pixels.nbytes // NUM_SHARDS
        with tempfile.TemporaryDirectory() as folder:
            write_store(Path(folder) / "store", known)
            sources = {"memory": known, "packed store": open_store(Path(folder) / "store")}
            for compression in ("lzf", "none"):
                path = Path(folder) / f"{compression}.h5"
                write_hdf5(path, known, compression=compression)
                sources[f"HDF5, {compression}"] = open_hdf5(path)
            for source in sources.values():
                for first in range(0, frames, 1000):  # everything is touched once
                    source.pixels[first : first + 1000]
            found = paired(
                {name: reading(source) for name, source in sources.items()}, repeats=repeats, warmup=5
            )
        for name, times in found.items():
            told = {"size": size, "source": name, "windows_per_second": BATCH / (1e-3 * times["median_ms"])}
            rows.append(told | {"times_memory": 1 / times["ratio"]} | times)
            print(
                f"{size:4d} px  {name:14s} {times['median_ms']:9.2f} ms  {1 / times['ratio']:7.2f} x memory"
            )
    settings = {
        "batch_size": BATCH,
        "frames": HISTORY + 1,
        "frameskip": FRAMESKIP,
        "num_frames": FRAMES,
        "num_shards": NUM_SHARDS,
        "episode_length": LENGTH,
        "repeats": repeats,
    }
    print(write_result(NAME, command=COMMAND, settings=settings, rows=rows))


if __name__ == "__main__":
    main()
