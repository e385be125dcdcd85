"""Frozen random subspaces: a function of a seed, the same on every device and rank and after a resume."""

from functools import lru_cache

import torch
from torch import Tensor

from .._products import product
from .._random import fold_seed
from ._samplers import orthogonal_directions


def embed_directions(directions: Tensor, seed: int, dim: int, num_subspaces: int) -> Tensor:
    """Carry directions of the subspaces into the whole space.

    Column block k of `directions` (subspace_dim, num_subspaces * slice) belongs to subspace k; the result is
    (dim, num_subspaces * slice), of unit columns if those of `directions` are.
    """
    return _embed(directions, seed, dim, num_subspaces)


@torch.library.custom_op("leworld::embed_directions", mutates_args=())
def _embed(directions: Tensor, seed: int, dim: int, num_subspaces: int) -> Tensor:
    bases = subspace_bases(
        seed, dim, num_subspaces, directions.shape[0], device=directions.device, dtype=directions.dtype
    )
    blocks = directions.unflatten(1, (num_subspaces, -1)).movedim(1, 0)
    with torch.autocast(directions.device.type, enabled=False):
        return product(bases, blocks).movedim(0, 1).flatten(1).contiguous()


@_embed.register_fake
def _(directions: Tensor, seed: int, dim: int, num_subspaces: int) -> Tensor:
    return directions.new_empty((dim, directions.shape[1]))


@lru_cache(maxsize=8)
def subspace_bases(
    seed: int, dim: int, num_subspaces: int, subspace_dim: int, *, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """Return (num_subspaces, dim, subspace_dim): orthonormal columns in each, drawn on the CPU in float64."""
    cpu = torch.device("cpu")
    bases = [
        orthogonal_directions(
            dim,
            subspace_dim,
            generator=torch.Generator(cpu).manual_seed(fold_seed(seed, k, 1)),
            device=cpu,
            dtype=torch.float64,
        )
        for k in range(num_subspaces)
    ]
    return torch.stack(bases).to(device, dtype)
