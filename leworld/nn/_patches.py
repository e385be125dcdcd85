"""Images cut into square patches, each mapped to one token."""

from typing import final

from jaxtyping import Float
from torch import Tensor, nn

from .._checks import check_number, plain_numbers
from .._typing import shapechecked
from ..errors import ShapeError


@final
@plain_numbers
class PatchEmbedding(nn.Module):
    """Cut images into squares that do not overlap and map each linearly to a token.

    It is a convolution whose stride equals its kernel size. Tokens are in reading order: left to right, then
    down. Any image works whose sides are multiples of the patch size.

    Shapes:
        images (batch, channel, height, width) -> (batch, token, dim) with token = (height / patch_size) *
        (width / patch_size).

    Args:
        dim: Width of a token.
        patch_size: Side of a patch in pixels.
        channels: Number of image channels.

    Raises:
        ShapeError: If the images have another number of channels, or sides that are no multiples of
            patch_size.

    Source: Dosovitskiy et al., An Image is Worth 16x16 Words, 2020 (arXiv 2010.11929), equation 1.

    Example:
        ```python
        import torch
        from leworld.nn import PatchEmbedding

        assert PatchEmbedding(dim=8, patch_size=4)(torch.randn(1, 3, 8, 12)).shape == (1, 6, 8)
        ```
    """

    def __init__(self, dim: int, patch_size: int, *, channels: int = 3) -> None:
        super().__init__()
        check_number("PatchEmbedding", "dim", dim, low=1, integer=True)
        check_number("PatchEmbedding", "patch_size", patch_size, low=1, integer=True)
        check_number("PatchEmbedding", "channels", channels, low=1, integer=True)
        self.projection = nn.Conv2d(channels, dim, patch_size, stride=patch_size)
        self.channels = channels
        self.patch_size = patch_size

    @shapechecked
    def forward(
        self, images: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch token dim"]:
        """Embed the patches."""
        _, channels, height, width = images.shape
        if channels != self.channels:
            raise ShapeError(
                f"PatchEmbedding needs images with {self.channels} channels on axis 1",
                f"`images` has shape {tuple(images.shape)}, i.e. channel={channels}",
                "Put channels before height and width, or build it with another `channels`",
            )
        if not height or not width or height % self.patch_size or width % self.patch_size:
            raise ShapeError(
                f"PatchEmbedding needs images whose sides are multiples of its patch size {self.patch_size}",
                f"`images` is {height} high and {width} wide",
                "Resize or crop the images first",
            )
        return self.projection(images).flatten(2).transpose(1, 2)
