"""Run a target whose native library may crash or hang: `python -m benchmarks.fuzz.isolated TARGET`.

A child process runs a batch and is killed when it does not end in time; what it was at counts as a fault.
"""

import argparse
import importlib
import multiprocessing
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fuzz.harness import Findings, fuzz

_START_SECONDS = 300.0  # to import everything on a busy machine


def run(target: str, *, count: int, seed: int, batch: int, seconds: float, processes: int = 2) -> Findings:
    """Run `count` attempts in batches, each in a process of its own, batch b with the seed `seed + b`."""
    total = Findings()
    with ThreadPoolExecutor(processes) as pool:
        work = partial(_one_batch, target, batch=batch, seconds=seconds)
        for number, found in enumerate(pool.map(work, range(seed, seed + -(-count // batch)))):
            total.outcomes.update(found["outcomes"])
            total.faults.update({number * batch + index: text for index, text in found["faults"].items()})
            total.slowest = max(total.slowest, found["slowest"])
            total.largest = max(total.largest, found["largest"])
    return total


def _one_batch(target: str, seed: int, *, batch: int, seconds: float) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(target, seed, batch, sender))
    child.start()
    sender.close()
    last, ended = -1, {}
    try:
        while receiver.poll(seconds if last >= 0 else _START_SECONDS):
            message = receiver.recv()
            if isinstance(message, dict):
                ended = message
                break
            last = message
    except EOFError:
        pass
    child.kill()
    child.join()
    if ended:
        return ended
    how = "hung" if child.exitcode == -9 else f"crashed with {child.exitcode}"
    outcomes = Counter({how: 1, "not tried": batch - last - 1, "before it": max(last, 0)})
    return {"outcomes": outcomes, "faults": {last: f"{how} (seed {seed})"}, "slowest": 0.0, "largest": 0.0}


def _child(target: str, seed: int, batch: int, sender: Any) -> None:
    attempt = importlib.import_module(target if "." in target else f"benchmarks.fuzz.{target}").attempt
    count = 0

    def told(generator: np.random.Generator, folder: Path) -> str:
        nonlocal count
        sender.send(count)
        count += 1
        return attempt(generator, folder)

    found = fuzz(told, count=batch, seed=seed)
    sender.send(vars(found))


def main() -> int:
    """Read the command line, run, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz.isolated", description=__doc__)
    parser.add_argument("target")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=30.0, help="for a single attempt")
    options = parser.parse_args()
    found = run(
        options.target, count=options.count, seed=options.seed, batch=options.batch, seconds=options.seconds
    )
    for outcome, number in found.outcomes.most_common():
        print(f"{number:8d}  {outcome}")
    print(f"slowest {found.slowest:.2f} s, largest {found.largest:.0f} MiB more")
    for index, fault in sorted(found.faults.items()):
        where = f"attempt {index % options.batch} of seed {options.seed + index // options.batch}"
        print(f"{where}: {fault}")
    return int(bool(found.faults))


if __name__ == "__main__":
    sys.exit(main())
