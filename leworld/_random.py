"""Randomness from explicit sources only: unit directions, and seeds made from seeds."""

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
    state = seed & mask
    for index in (*indices, 0):
        state = (state + 0x9E3779B97F4A7C15 * (2 * (index & mask) + 1)) & mask
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & mask
        state ^= state >> 31
    return state >> 1
