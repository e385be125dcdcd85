"""Learned positions of an image grid, stretched to grids of another size."""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from .._checks import check_choice, check_number
from .._typing import shapechecked
from ..errors import ShapeError

_METHODS = ("cubic", "cubic_offset", "cubic_antialiased")
_OFFSET = 0.1  # of DINOv2, once meant to keep a rounded size from falling short


@shapechecked
def interpolate_positions(
    positions: Float[Tensor, "one token dim"],
    *,
    grid_height: int,
    grid_width: int,
    method: Literal["cubic", "cubic_offset", "cubic_antialiased"] = "cubic",
) -> Float[Tensor, "one new_token dim"]:
    """Stretch the learned positions of a square grid of patches to a grid of another size.

    The first token belongs to the class token and is kept. The others are a square grid in reading order;
    they are resampled by cubic convolution, each side on its own. At the native size the table itself is
    returned, whatever the method.

    Libraries disagree on how, and by more than weights forgive, so take the one that your weights were used
    with. From n to k cells a side, cell i reads the table around

        "cubic"              (i + 1/2) n / k - 1/2, with a = -0.75 and edges repeated
        "cubic_offset"       (i + 1/2) n / (k + 0.1) - 1/2, else the same
        "cubic_antialiased"  (i + 1/2) n / k - 1/2, with a = -0.5, a kernel widened by n / k where the grid
                             shrinks, and weights beyond the edge left out and the others rescaled

    Shapes:
        positions (1, 1 + n * n, dim) -> (1, 1 + grid_height * grid_width, dim).

    Args:
        positions: The learned table.
        grid_height: Rows of patches wanted.
        grid_width: Columns of patches wanted.
        method: How to resample.

    Raises:
        ConfigError: If `method` is unknown or a size is below 1.
        ShapeError: If the table does not hold one class token and a square grid.

    Numerics: half-precision tables are resampled in float32. Differentiable in `positions`.

    Source: Dosovitskiy et al., 2020 (arXiv 2010.11929), section 3.2; Keys, 1981, for the kernel. "cubic" is
    that of the Hugging Face vision transformer that the released LeWM uses, "cubic_offset" that of DINOv2's
    own code (Oquab et al., 2023, arXiv 2304.07193), "cubic_antialiased" that of timm.

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
    check_choice("interpolate_positions", "method", method, _METHODS)
    patches = positions.shape[1] - 1
    native = math.isqrt(max(patches, 0))
    if positions.shape[0] != 1 or patches < 1 or native * native != patches:
        raise ShapeError(
            "interpolate_positions needs one class token and a square grid, i.e. shape (1, 1 + n * n, dim)",
            f"`positions` has shape {tuple(positions.shape)}",
            "Check that the class token comes first and that no other token is in the table",
        )
    return _interpolate_positions(positions, native, grid_height, grid_width, method)


def _interpolate_positions(positions: Tensor, native: int, height: int, width: int, method: str) -> Tensor:
    if height == native and width == native:
        return positions
    grid = positions[:, 1:].unflatten(1, (native, native)).permute(0, 3, 1, 2)
    work = grid if grid.dtype in (torch.float32, torch.float64) else grid.float()
    if method == "cubic_offset":
        scale = ((height + _OFFSET) / native, (width + _OFFSET) / native)
        resampled = F.interpolate(work, scale_factor=scale, mode="bicubic", align_corners=False)
    else:
        antialias = method == "cubic_antialiased"
        resampled = F.interpolate(
            work, size=(height, width), mode="bicubic", align_corners=False, antialias=antialias
        )
    return torch.cat([positions[:, :1], resampled.flatten(2).transpose(1, 2).to(positions.dtype)], dim=1)
