"""Randomness from explicit sources only: unit directions, seeds made from seeds, and globals borrowed."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


def unit_directions(
    dim: int,
    num: int,
    *,
    generator: torch.Generator | None,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Draw `num` directions uniformly on the unit sphere of `dim` dimensions, as the columns of (dim, num).

    Gaussian columns divided by their norms, drawn in the order of the published SIGReg, so that an equal seed
    gives an equal matrix. A generator of another device draws there and the result is moved.
    """
    source = device if generator is None else generator.device
    directions = torch.randn(dim, num, generator=generator, device=source, dtype=dtype)
    return directions.div_(directions.square().sum(0).sqrt()).to(device)


def fold_seed(seed: int, *indices: int) -> int:
    """Mix a seed with indices (a step, a row, a rank) into one 63-bit seed.

    The mixing is SplitMix64's (Steele, Lea and Flood, 2014).
    """
    mask = (1 << 64) - 1
    state = int(seed) & mask
    for index in (*indices, 0):
        state = (state + 0x9E3779B97F4A7C15 * (2 * (int(index) & mask) + 1)) & mask
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & mask
        state ^= state >> 31
    return state >> 1


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


@contextmanager
def usual_defaults() -> Iterator[None]:
    """Within the block new tensors are float32 on the CPU unless they say otherwise, as torch begins.

    For modules that are the library's to build, and for torch's own loaders, so that neither a default dtype
    nor a default device of the caller's decides what comes out.
    """
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        with torch.device("cpu"):
            yield
    finally:
        torch.set_default_dtype(before)


def _accelerator_generator(device: torch.device) -> torch.Generator | None:
    if device.type == "cuda":
        torch.cuda.init()
        index = torch.cuda.current_device() if device.index is None else device.index
        return torch.cuda.default_generators[index]
    if device.type == "mps":
        return torch.mps._get_default_mps_generator()
    return None
