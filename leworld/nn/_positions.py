"""Learned positions of an image grid, stretched to grids of another size."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from .._checks import check_number
from .._typing import shapechecked
from ..errors import ShapeError


@shapechecked
def interpolate_positions(
    positions: Float[Tensor, "one token dim"], *, grid_height: int, grid_width: int
) -> Float[Tensor, "one new_token dim"]:
    """Stretch the learned positions of a square grid of patches to a grid of another size.

    The first token belongs to the class token and is kept. The others are a square grid in reading order;
    they are resampled by cubic convolution (a = -0.75) with pixel centres at half-integers and edges
    repeated. At the native size the table itself is returned.

    Shapes:
        positions (1, 1 + n * n, dim) -> (1, 1 + grid_height * grid_width, dim).

    Args:
        positions: The learned table.
        grid_height: Rows of patches wanted.
        grid_width: Columns of patches wanted.

    Raises:
        ShapeError: If the table does not hold one class token and a square grid.

    Numerics: half-precision tables are resampled in float32. Differentiable in `positions`.

    Source: Dosovitskiy et al., 2020 (arXiv 2010.11929), section 3.2; the kernel and its alignment are those
    of the Hugging Face vision transformer that the released LeWM uses.

    Example:
        ```python
        import torch
        from leworld.nn import interpolate_positions

        table = torch.randn(1, 1 + 4 * 4, 8)
        assert interpolate_positions(table, grid_height=4, grid_width=4) is table
        assert interpolate_positions(table, grid_height=2, grid_width=6).shape == (1, 13, 8)
        ```
    """
    check_number("interpolate_positions", "grid_height", grid_height, low=1, integer=True)
    check_number("interpolate_positions", "grid_width", grid_width, low=1, integer=True)
    patches = positions.shape[1] - 1
    native = math.isqrt(max(patches, 0))
    if positions.shape[0] != 1 or patches < 1 or native * native != patches:
        raise ShapeError(
            "interpolate_positions needs one class token and a square grid, i.e. shape (1, 1 + n * n, dim)",
            f"`positions` has shape {tuple(positions.shape)}",
            "Check that the class token comes first and that no other token is in the table",
        )
    return _interpolate_positions(positions, native, grid_height, grid_width)


def _interpolate_positions(positions: Tensor, native: int, height: int, width: int) -> Tensor:
    if height == native and width == native:
        return positions
    grid = positions[:, 1:].unflatten(1, (native, native)).permute(0, 3, 1, 2)
    work = grid if grid.dtype in (torch.float32, torch.float64) else grid.float()
    resampled = F.interpolate(work, size=(height, width), mode="bicubic", align_corners=False)
    return torch.cat([positions[:, :1], resampled.flatten(2).transpose(1, 2).to(positions.dtype)], dim=1)
