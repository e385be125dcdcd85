"""Torch's global random state, borrowed for a moment and given back."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded_globals(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Within the block, torch's global generators of the CPU and of `device` start from `seed`.

    Weight initialisation and dropout can draw from nowhere else. Afterwards both generators are as they were,
    so the caller's random numbers do not depend on what happened inside.
    """
    device = torch.device(device)
    before = torch.get_rng_state()
    torch.set_rng_state(torch.Generator().manual_seed(seed).get_state())
    generator = _accelerator_generator(device)
    accelerator_before = None if generator is None else generator.get_state()
    if generator is not None:
        generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(before)
        if generator is not None and accelerator_before is not None:
            generator.set_state(accelerator_before)


def _accelerator_generator(device: torch.device) -> torch.Generator | None:
    if device.type == "cuda":
        torch.cuda.init()
        index = torch.cuda.current_device() if device.index is None else device.index
        return torch.cuda.default_generators[index]
    if device.type == "mps":
        return torch.mps._get_default_mps_generator()
    return None
