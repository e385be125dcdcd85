"""What every suite shares: the environment's facts, paired timing, and the JSON that it writes."""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

import leworld

RESULTS = Path(__file__).resolve().parent / "results"
SCHEMA_VERSION = 1


def environment() -> dict[str, Any]:
    """Facts that a reader needs to judge a number: versions, device and threads; no names or paths."""
    cpu = platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), cpu)
    return {
        "leworld": leworld.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.system(),
        "cpu": cpu,
        "cpu_count": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }


def paired(
    functions: Mapping[str, Callable[[], object]], *, repeats: int, warmup: int = 1, device: str = "cpu"
) -> dict[str, dict[str, float]]:
    """Time functions in turn, A B C A B C ..., and return median, quartiles and the ratio to the first.

    On a CPU the figure is the process's CPU time, which a busy neighbour disturbs less than wall time; on a
    GPU it is wall time around a synchronisation. `ratio` is the median over rounds of first/this, so above 1
    means faster than the first.
    """
    samples: dict[str, list[float]] = {name: [] for name in functions}
    for turn in range(warmup + repeats):
        for name, function in functions.items():
            seconds = _seconds(function, device)
            if turn >= warmup:
                samples[name].append(seconds)
    base = samples[next(iter(functions))]
    return {
        name: {
            "median_ms": 1e3 * statistics.median(times),
            "low_ms": 1e3 * statistics.quantiles(times, n=4)[0] if len(times) > 1 else 1e3 * times[0],
            "high_ms": 1e3 * statistics.quantiles(times, n=4)[2] if len(times) > 1 else 1e3 * times[0],
            "ratio": statistics.median(b / t for b, t in zip(base, times, strict=True)),
        }
        for name, times in samples.items()
    }


def _seconds(function: Callable[[], object], device: str) -> float:
    if device == "cpu":
        start = time.process_time()
        function()
        return time.process_time() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    function()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def write_result(
    name: str,
    *,
    command: str,
    settings: Mapping[str, Any],
    rows: list[dict[str, Any]],
    folder: Path = RESULTS,
) -> Path:
    """Write benchmarks/results/<name>.json atomically and return its path."""
    result = {
        "schema_version": SCHEMA_VERSION,
        "name": name,
        "command": command,
        "environment": environment(),
        "settings": dict(settings),
        "rows": rows,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    temporary = path.with_suffix(".json.partial")
    temporary.write_text(json.dumps(result, indent=2, sort_keys=False) + "\n", encoding="utf-8")
    os.replace(temporary, path)
    return path
