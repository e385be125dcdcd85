"""Ways to spread directions over the unit sphere; each single direction is uniform in all of them."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.quasirandom import SobolEngine

from .._checks import check_choice
from .._random import unit_directions, usual_defaults
from ..errors import ShapeError

_DIGIT = 2.0**-SobolEngine.MAXBIT


def orthogonal_directions(
    dim: int, num: int, *, generator: torch.Generator, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """Draw (dim, num) columns in blocks of `dim` that are orthonormal within a block (Haar measure)."""
    width = min(dim, num)
    blocks = math.ceil(num / width)
    normal = torch.randn(blocks, dim, width, generator=generator, device=generator.device, dtype=dtype)
    q, r = torch.linalg.qr(normal)
    # QR is unique, and Q uniform, once the diagonal of R is positive (Mezzadri, 2007).
    q = torch.where(r.diagonal(dim1=-2, dim2=-1).unsqueeze(-2) < 0, -q, q)
    return q.movedim(0, 1).reshape(dim, blocks * width)[:, :num].contiguous().to(device)


def sobol_directions(
    dim: int, num: int, *, generator: torch.Generator, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """Map `num` scrambled Sobol points of (0, 1)^dim to the sphere by way of Gaussian quantiles."""
    if dim > SobolEngine.MAXDIM:
        raise ShapeError(
            f"Sobol directions exist for up to {SobolEngine.MAXDIM} dimensions",
            f"`embeddings` has {dim}",
            'Choose `directions="orthogonal"` or "gaussian"',
        )
    scramble = torch.randint(
        0, 2**63 - 1, (1,), generator=generator, device=generator.device, dtype=torch.int64
    )
    with usual_defaults():  # the engine rounds its first point to torch's default dtype
        engine = SobolEngine(dim, scramble=True, seed=int(scramble))
    # The middle of each cell: never 0 or 1, whose quantiles are infinite.
    points = (engine.draw(num, dtype=torch.float64) + _DIGIT / 2).clamp_(max=1 - _DIGIT / 2)
    normal = torch.special.ndtri(points)
    return (normal / normal.norm(dim=1, keepdim=True)).T.contiguous().to(device, dtype)


def gaussian_sketch(
    dim: int, num: int, *, generator: torch.Generator, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """Draw (dim, num) normal entries of variance 1 / dim: columns of about unit length, none exactly."""
    rows = torch.randn(num, dim, generator=generator, device=generator.device, dtype=dtype)
    return (rows.T / math.sqrt(dim)).contiguous().to(device)


def laplace_samples(
    dim: int, num: int, *, generator: torch.Generator, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """Draw (dim, num) independent Laplace numbers of mean 0 and variance 1: no directions, but samples."""
    uniform = torch.rand(2, num, dim, generator=generator, device=generator.device, dtype=dtype)
    first, second = -torch.log1p(-uniform)  # two exponential numbers, whose difference is Laplace
    return ((first - second) / math.sqrt(2)).T.contiguous().to(device)


def normal_samples(
    dim: int, num: int, *, generator: torch.Generator, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """Draw (dim, num) independent standard normal numbers."""
    drawn = torch.randn(num, dim, generator=generator, device=generator.device, dtype=dtype)
    return drawn.T.contiguous().to(device)


SAMPLERS: dict[str, Callable[..., Tensor]] = {
    "gaussian": unit_directions,
    "orthogonal": orthogonal_directions,
    "sobol": sobol_directions,
    "sketch": gaussian_sketch,
    "laplace": laplace_samples,
    "normal": normal_samples,
}


def check_kind(owner: str, kind: object) -> None:
    """Raise `ConfigError` unless `kind` is a way to draw unit directions."""
    check_choice(owner, "directions", kind, ("gaussian", "orthogonal", "sobol"))
