"""Regularizers: peers on PyPI, cost, noise of slices, and what each notices (CPU, one thread)."""

import torch

from benchmarks.regularizers import cost, noise, peers, power
from leworld.errors import MissingExtraError


def run(device: str) -> None:
    """Measure and write benchmarks/results/regularizers_{cost,noise,power,peers}.json, on the CPU only."""
    if device != "cpu":
        print("regularizers: measured on the CPU only; nothing was done")
        return
    torch.set_num_threads(1)
    try:
        peers.run()
    except MissingExtraError as error:
        print(f"regularizers_peers.json stays as it is. {error}")
    cost.run()
    noise.run()
    power.run()
