"""Train from a packed store of many gigabytes, and say what that takes in memory and a batch in time.

    python -m benchmarks.data.memory --gigabytes 12

Writes a store of noise at 64 pixels, then trains the model of `leworld train --data` on it in a process of
its own, which samples its anonymous memory (`RssAnon` of /proc/self/status): what it allocated. Pages of the
store that are mapped count as file pages (`RssFile`): the system takes them back when it needs them. The row
before is taken after two steps on two episodes. Linux only.

Then, in another process, random batches of the whole store are timed in turn with random batches of what its
first gigabytes hold, in memory: as much as fits beside the store in the page cache, which is warm.
"""

import multiprocessing
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from benchmarks.data.throughput import reading
from benchmarks.harness import paired, write_result
from leworld.data import Episodes, LazyColumn, Windows, open_store, write_store
from leworld.tasks import RecordedRecipe
from leworld.training import TrainSettings, train

NAME, COMMAND = "data_memory", "python -m benchmarks.data.memory"
SIZE, LENGTH, BATCH = 64, 100, 128
IN_MEMORY = 1.5e9  # bytes


class Noise(LazyColumn):
    """Frames that follow from their numbers: blocks of noise, shifted."""

    def __init__(self, rows: int) -> None:
        self.shape, self.dtype = (rows, SIZE, SIZE, 3), np.dtype(np.uint8)
        self._block = np.random.default_rng(0).integers(0, 256, (512, SIZE, SIZE, 3), np.uint8)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Return rows."""
        return self._block[rows % 512] + (rows // 512).astype(np.uint8)[:, None, None, None]


def kilobytes(name: str) -> int:
    """Return a number of /proc/self/status."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def run(folder: str, steps: int, answers: Any) -> None:
    """Train, and report the most memory at any time; in a process of its own."""
    torch.set_num_threads(1)
    begun = time.perf_counter()
    episodes = open_store(Path(folder) / "store")
    opened = time.perf_counter() - begun
    recipe = RecordedRecipe(episodes=episodes)
    model = recipe.build(recipe.processor(episodes))
    windows = Windows(episodes, model.history_size, frameskip=recipe.frameskip)
    settings = TrainSettings(num_steps=2, batch_size=BATCH, batchnorm_windows=256)
    few = Windows(episodes.select([0, 1]), model.history_size, frameskip=recipe.frameskip)
    train(
        model, few, folder=f"{folder}/warm", settings=settings, progress=False
    )  # what training itself takes
    before, peak, done = kilobytes("RssAnon"), [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], kilobytes("RssAnon"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    begun = time.perf_counter()
    settings = TrainSettings(num_steps=steps, batch_size=BATCH, batchnorm_windows=1024)
    train(model, windows, folder=f"{folder}/run", settings=settings, progress=False)
    seconds = time.perf_counter() - begun
    done.set()
    watcher.join()
    answers.put(
        {
            "frames": episodes.num_rows,
            "gigabytes": episodes.pixels.nbytes / 1e9,
            "seconds_to_open": opened,
            "steps": steps,
            "seconds_to_train": seconds,
            "anonymous_mb_before": before / 1e3,
            "anonymous_mb_most": peak[0] / 1e3,
            "file_pages_mb_at_end": kilobytes("RssFile") / 1e3,
        }
    )


def batches(folder: str, repeats: int, answers: Any) -> None:
    """Time random batches, and report; in a process of its own."""
    torch.set_num_threads(1)
    store = open_store(Path(folder) / "store")
    for first in range(0, store.num_rows, 4096):  # every page is touched once
        store.pixels[first : first + 4096]
    share = min(1.0, IN_MEMORY / store.pixels.nbytes)
    known = store.select(slice(0, max(1, int(share * len(store))))).load()
    found = paired({"memory": reading(known), "packed store": reading(store)}, repeats=repeats, warmup=10)
    answers.put(
        {
            "gigabytes_in_memory": known.pixels.nbytes / 1e9,
            "batch_ms_memory": found["memory"]["median_ms"],
            "batch_ms_store": found["packed store"]["median_ms"],
            "store_times_memory": 1 / found["packed store"]["ratio"],
        }
    )


def answer(work: Any, *arguments: Any) -> dict[str, Any]:
    """Run something in a process of its own and return what it reports."""
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    child = context.Process(target=work, args=(*arguments, answers))
    child.start()
    row = answers.get(timeout=3600)
    child.join()
    return row


@click.command(help=__doc__)
@click.option("--gigabytes", default=12.0, show_default=True)
@click.option("--steps", default=40, show_default=True)
@click.option("--repeats", default=200, show_default=True)
def main(gigabytes: float, steps: int, repeats: int) -> None:
    """Write the store, measure, write the result."""
    count = int(gigabytes * 1e9 / (SIZE * SIZE * 3 * LENGTH))
    actions = np.random.default_rng(1).normal(size=(count * LENGTH, 2)).astype(np.float32)
    known = Episodes(Noise(count * LENGTH), actions, lengths=np.full(count, LENGTH))
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        write_store(Path(folder) / "store", known, progress=True)
        packed = time.perf_counter() - begun
        row = answer(run, folder, steps) | {"seconds_to_pack": packed}
        row |= answer(batches, folder, repeats)
    print(row)
    settings = {"image_size": SIZE, "episode_length": LENGTH, "batch_size": BATCH, "repeats": repeats}
    print(write_result(NAME, command=COMMAND, settings=settings, rows=[row]))


if __name__ == "__main__":
    main()
