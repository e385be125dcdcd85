"""One load, or one plain reading, in a new process: `python -m benchmarks.hub.fresh WHAT LAYOUT FOLDER`.

Prints CPU seconds and the growth of the process's resident memory, from after `import torch, leworld` to its
highest mark: everything counts, be it weights, mapped pages of files, or packages imported on the way.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

import leworld


def resident(mark: str) -> int:
    """Return `VmRSS` (now) or `VmHWM` (the highest ever) of this process in bytes."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[mark].split()[0]) * 1024


def plain(layout: str, folder: Path) -> Callable[[], object]:
    """Return reading the tensors of a folder plus building the module, with nothing checked."""

    def run() -> object:
        from safetensors.torch import load_file

        from leworld.hub.catalog._official import OFFICIAL
        from leworld.serialise._build import build

        if layout == "released":
            state = torch.load(folder / "weights.pt", weights_only=True, map_location="cpu")
        else:
            state = load_file(folder / "model.safetensors")
        record = next(record for record in OFFICIAL if record.name == "lewm-pusht")
        return state, build(record.architecture, where="benchmark")

    return run


def main() -> None:
    """Measure once and print JSON."""
    what, layout, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    torch.set_num_threads(1)
    function = plain(layout, folder) if what == "plain" else lambda: leworld.load(folder)
    Path("/proc/self/clear_refs").write_text("5")  # the highest mark starts anew
    before, start = resident("VmRSS"), time.process_time()
    kept = function()
    seconds = time.process_time() - start
    print(json.dumps({"cpu_seconds": seconds, "growth_bytes": resident("VmHWM") - before}))
    del kept


if __name__ == "__main__":
    main()
