"""The published SIGReg formula in plain PyTorch, as an oracle; it shares no code with the package."""

import torch
from torch import Tensor


def published_directions(
    dim: int, num_slices: int, *, seed: int, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Draw from a generator in the state that the global one has after torch.manual_seed(seed)."""
    directions = torch.randn(dim, num_slices, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    return directions / directions.norm(p=2, dim=0)


def published_sigreg(
    embeddings: Tensor, directions: Tensor, *, knots: int = 17, t_max: float = 3.0
) -> Tensor:
    """Mean over directions and leading axes of N times the quadrature of the squared difference."""
    t = torch.linspace(0, t_max, knots, dtype=embeddings.dtype)
    quadrature = torch.full_like(t, 2 * t_max / (knots - 1))
    quadrature[[0, -1]] = t_max / (knots - 1)
    gaussian = torch.exp(-t.square() / 2)
    angles = (embeddings @ directions).unsqueeze(-1) * t
    error = (angles.cos().mean(-3) - gaussian).square() + angles.sin().mean(-3).square()
    return (error @ (quadrature * gaussian) * embeddings.shape[-2]).mean()
