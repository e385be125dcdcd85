"""Loading a checkpoint of the published size: time and memory, beside reading its tensors and building it."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

import leworld
from benchmarks.harness import paired, write_result
from leworld.hub._build import build
from leworld.hub._digest import digest
from leworld.hub._official import OFFICIAL
from leworld.hub._tensors import tensor_state

PARAMETERS = 18_034_478
TENSORS = 303
REPEATS = 7

# Run in a fresh process: the peak is a high-water mark, and imports are not to count.
_PEAK = """
import sys, threading, time
import torch, leworld
from leworld.hub import checkpoint_info
import leworld.models, leworld.encoders, leworld.predictors, leworld.regularizers, safetensors.torch

def status():
    lines = dict(line.split(":") for line in open("/proc/self/status"))
    return [int(lines[key].split()[0]) * 1024 for key in ("RssAnon", "VmRSS")]

before = status()
peak, done = list(before), threading.Event()

def watch():
    while not done.is_set():
        peak[:] = map(max, peak, status())
        time.sleep(0.0005)

watcher = threading.Thread(target=watch)
watcher.start()
model = leworld.load(sys.argv[1])
done.set()
watcher.join()
print(*(most - start for most, start in zip(map(max, peak, status()), before)))
"""


def make(place: Path) -> dict[str, Path]:
    """Write one model of the published size, with random weights, in both layouts."""
    record = next(record for record in OFFICIAL if record.name == "lewm-pusht")
    model = build(record.architecture, where="benchmark").eval()
    tensors = tensor_state(model)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    if (parameters, len(tensors)) != (PARAMETERS, TENSORS):
        raise SystemExit(
            f"the model has {parameters} parameters in {len(tensors)} tensors; nothing was timed"
        )
    ours = leworld.save(model, place / "leworld")  # pyright: ignore[reportArgumentType] -- it is a LeWM
    return {"leworld": ours, "released": leworld.hub.convert(ours, place / "released", layout="released")}


def baseline(layout: str, folder: Path) -> Callable[[], object]:
    """Return reading the tensors of a folder plus building the module, with nothing checked."""
    record = next(record for record in OFFICIAL if record.name == "lewm-pusht")

    def run() -> object:
        if layout == "released":
            state = torch.load(folder / "weights.pt", weights_only=True, map_location="cpu")
        else:
            state = load_file(folder / "model.safetensors")
        return state, build(record.architecture, where="benchmark")

    return run


def peak_bytes(folder: Path) -> tuple[int, int]:
    """Return the most anonymous and the most resident memory that loading adds to a process."""
    command = [sys.executable, "-c", _PEAK, str(folder)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    anonymous, resident = map(int, told.split())
    return anonymous, resident


def gate(folders: dict[str, Path]) -> None:
    """Refuse to time loads that do not bring back the same weights."""
    first, second = (leworld.load(folder).state_dict() for folder in folders.values())
    for name, value in first.items():
        if isinstance(value, Tensor) and not torch.equal(value, second[name]):
            raise SystemExit(f"`{name}` differs between the layouts; nothing was timed")


def measure(layout: str, folder: Path) -> dict[str, Any]:
    """Time and weigh one layout."""
    weights = next(path for path in folder.iterdir() if path.suffix in (".pt", ".safetensors"))
    names = {"leworld.load": lambda: leworld.load(folder), "read and build": baseline(layout, folder)}
    if layout == "released":  # a digest tells which record a local folder belongs to
        names["SHA-256 of the weights"] = lambda: digest(weights)
    timed = paired(names, repeats=REPEATS)
    size, (anonymous, resident) = weights.stat().st_size, peak_bytes(folder)
    return {
        "layout": layout,
        "file_bytes": size,
        "load_ms": timed["leworld.load"]["median_ms"],
        "read_and_build_ms": timed["read and build"]["median_ms"],
        "digest_ms": timed.get("SHA-256 of the weights", {}).get("median_ms"),
        "time_ratio": timed["read and build"]["ratio"],
        "peak_bytes": anonymous,
        "peak_ratio": anonymous / size,
        "peak_resident_bytes": resident,
        "peak_resident_ratio": resident / size,
    }


def run(device: str) -> None:
    """Measure both layouts and write benchmarks/results/hub_load.json. `device` plays no part."""
    del device
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place, torch.random.fork_rng(devices=[]):
        folders = make(Path(place))
        gate(folders)
        rows = [measure(layout, folder) for layout, folder in folders.items()]
    for row in rows:
        print(json.dumps(row))
    write_result(
        "hub_load",
        command="python benchmarks/run.py hub",
        settings={
            "parameters": PARAMETERS,
            "tensors": TENSORS,
            "repeats": REPEATS,
            "time": "CPU time of the process; time_ratio is load / (read and build), the median over pairs",
            "peak": "anonymous memory above that of a process with everything imported; resident memory also "
            "counts the pages of the file that is mapped, which the system takes back when it needs them",
            "bounds": {"time_ratio": 1.5, "peak_ratio": 2.2},
        },
        rows=rows,
    )
