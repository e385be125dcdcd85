"""Planners on problems with known optima: cost against evaluations and seconds, and beside two peers."""

import torch

from benchmarks.planners import analytic, peers


def run(device: str) -> None:
    """Write planners_peers.json where the peers are installed, and planners_analytic.json."""
    if device != "cpu":
        raise SystemExit("the planner suite times searches of small problems; run it with --device cpu")
    torch.set_num_threads(1)
    missing = peers.missing()
    if missing:
        print(
            f"peers not installed, so nothing is compared with them: {', '.join(missing)}; "
            f"`pip install --no-deps {' '.join(missing)}` brings them without another torch"
        )
    else:
        peers.run()
    analytic.run()
