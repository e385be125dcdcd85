"""Loading a checkpoint of the published size: time and memory, beside reading its tensors and building it."""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import leworld
from benchmarks.harness import paired, write_result
from benchmarks.hub.fresh import plain
from leworld._files import digest
from leworld._tensors import tensor_state
from leworld.hub.catalog._official import OFFICIAL
from leworld.models import WorldModel
from leworld.serialise._build import build

PARAMETERS = 18_034_478
TENSORS = 303
REPEATS = 7
PROCESSES = 3
BOUNDS = {"time_ratio": 1.5, "peak_ratio": 2.2}
ROOT = Path(__file__).resolve().parents[2]


def make(place: Path) -> tuple[WorldModel, dict[str, Path]]:
    """Write one model of the published size, with random weights, in both layouts."""
    record = next(record for record in OFFICIAL if record.name == "lewm-pusht")
    model = build(record.architecture, where="benchmark").eval()
    tensors = tensor_state(model)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    if (parameters, len(tensors)) != (PARAMETERS, TENSORS) or not isinstance(model, WorldModel):
        raise SystemExit(
            f"the model has {parameters} parameters in {len(tensors)} tensors; nothing was timed"
        )
    ours = leworld.save(model, place / "leworld")
    theirs = leworld.hub.convert(ours, place / "released", layout="released")
    return model, {"leworld": ours, "released": theirs}


def gate(model: WorldModel, folder: Path) -> None:
    """Refuse to time a load that does not bring back the model: every tensor, and what it computes."""
    loaded, state = leworld.load(folder), model.state_dict()
    names = {name for name, value in state.items() if isinstance(value, Tensor)}
    found = {name: value for name, value in loaded.state_dict().items() if isinstance(value, Tensor)}
    if names != found.keys() or not all(torch.equal(value, state[name]) for name, value in found.items()):
        raise SystemExit(f"{folder.name}: the tensors differ; nothing was timed")
    frames = torch.randn(1, 3, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    blocks = torch.randn(1, 3, 10, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        due, got = (m.predict(m.encode(frames), blocks) for m in (model, loaded))
    if loaded.training or not torch.equal(due, got):
        raise SystemExit(f"{folder.name}: the outputs differ; nothing was timed")


def fresh(what: str, layout: str, folder: Path) -> dict[str, float]:
    """Run `benchmarks.hub.fresh` in a new process."""
    command = [sys.executable, "-m", "benchmarks.hub.fresh", what, layout, str(folder)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout)


def measure(layout: str, folder: Path) -> dict[str, Any]:
    """Time and weigh one layout."""
    weights = next(path for path in folder.iterdir() if path.suffix in (".pt", ".safetensors"))
    timed = paired(
        {
            "load": lambda: leworld.load(folder),
            "plain": plain(layout, folder),
            "digest": lambda: digest(weights),
        },
        repeats=REPEATS,
    )
    cold = {what: [fresh(what, layout, folder) for _ in range(PROCESSES)] for what in ("load", "plain")}
    size = weights.stat().st_size
    peak = {what: max(run["growth_bytes"] for run in runs) for what, runs in cold.items()}
    seconds = {what: statistics.median(run["cpu_seconds"] for run in runs) for what, runs in cold.items()}
    return {
        "layout": layout,
        "file_bytes": size,
        "load_ms": timed["load"]["median_ms"],
        "read_and_build_ms": timed["plain"]["median_ms"],
        "digest_ms": timed["digest"]["median_ms"],
        "time_ratio": timed["plain"]["ratio"],
        "cold_load_ms": 1e3 * seconds["load"],
        "cold_read_and_build_ms": 1e3 * seconds["plain"],
        "peak_bytes": peak["load"],
        "peak_ratio": peak["load"] / size,
        "read_and_build_peak_bytes": peak["plain"],
    }


def run(device: str) -> None:
    """Measure both layouts and write benchmarks/results/hub_load.json. `device` plays no part."""
    del device
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place, torch.random.fork_rng(devices=[]):
        model, folders = make(Path(place))
        for folder in folders.values():
            gate(model, folder)
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
            "processes": PROCESSES,
            "time": "CPU time of the process; time_ratio is load / (read and build), the median over pairs; "
            "cold is the first such call of a new process, packages that it imports included",
            "peak": "highest resident memory (VmHWM) of a new process during its first load, less its "
            "resident memory after `import torch, leworld`: mapped files and imported packages count; the "
            "largest over the processes",
            "bounds": BOUNDS,
        },
        rows=rows,
    )
    broken = [(row["layout"], name) for row in rows for name, most in BOUNDS.items() if row[name] > most]
    if broken:
        raise SystemExit(f"above its bound: {broken}")
