"""The picture encoder of TD-MPC2."""

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .._checks import check_number
from .._config import configurable
from .._typing import shapechecked
from ..errors import ConfigError, ShapeError
from ..nn import SimNorm


@final
@configurable
class SimNormEncoder(nn.Module):
    """Encode small pictures by convolutions without padding, whose flattened output is SimNormed.

    The picture encoder of a `leworld.models.TDMPC2`. In training each picture is moved by up to `shift`
    pixels in both directions, its border repeated, against which no latent should depend on a pixel or two.

    Shapes:
        images (batch, channel, height, width) -> (batch, embedding_dim). 64 pixels and 32 channels make 512.

    Args:
        image_size: Side of the square images, at least 39 with the published convolutions.
        channels: Output channels of every stage.
        in_channels: Channels of an image: 3, or 9 for the published stacks of three frames.
        kernels: Sides of the convolutions' kernels, one a stage.
        strides: Their strides.
        simnorm_dim: Size of the groups of `leworld.nn.SimNorm`.
        shift: Most pixels by which a picture is moved in training; 0 for none.

    Attributes:
        embedding_dim: Size of an embedding, which follows from image_size and channels.

    Raises:
        ConfigError: If the picture is too small, or simnorm_dim does not divide the embedding.
        ShapeError: If the images have another number of channels or another size.

    Numerics: published weights expect pixels in [-0.5, 0.5]: a processor with a mean of 0.5 and a deviation
    of 1 for every channel.

    Randomness: shifts are drawn from torch's global generator, in training mode only.

    Source: Hansen, Su and Wang, TD-MPC2, 2024 (arXiv 2310.16828), and its code, which also moves pictures
    while it acts; shifts as in Yarats et al., DrQ-v2, 2021 (arXiv 2107.09645), here by whole pixels.

    Example:
        ```python
        import torch
        from leworld.encoders import SimNormEncoder

        encoder = SimNormEncoder(image_size=64)
        assert encoder(torch.randn(2, 3, 64, 64)).shape == (2, 512)
        ```
    """

    def __init__(
        self,
        image_size: int = 64,
        channels: int = 32,
        *,
        in_channels: int = 3,
        kernels: Sequence[int] = (7, 5, 3, 3),
        strides: Sequence[int] = (2, 2, 2, 1),
        simnorm_dim: int = 8,
        shift: int = 3,
    ) -> None:
        super().__init__()
        named = {"image_size": image_size, "channels": channels, "in_channels": in_channels}
        for name, value in named.items():
            check_number("SimNormEncoder", name, value, low=1, integer=True)
        check_number("SimNormEncoder", "shift", shift, low=0, high=image_size, integer=True)
        check_number("SimNormEncoder", "simnorm_dim", simnorm_dim, low=1, integer=True)
        for name, numbers in (("kernels", kernels), ("strides", strides)):
            for number in numbers:
                check_number("SimNormEncoder", name, number, low=1, integer=True)
        if not kernels or len(kernels) != len(strides):
            raise ConfigError(
                "SimNormEncoder needs at least one stage, with a stride for every kernel",
                f"`kernels={tuple(kernels)}` and `strides={tuple(strides)}`",
                "Pass equally many of both",
            )
        side = image_size
        for kernel, stride in zip(kernels, strides, strict=True):
            side = (side - kernel) // stride + 1 if side >= kernel else 0
        if side < 1:
            raise ConfigError(
                "SimNormEncoder needs pictures that its convolutions can pass over",
                f"`image_size={image_size}` and `kernels={tuple(kernels)}`",
                "Take pictures of 64 pixels, of 39 at least, or smaller kernels",
            )
        size = channels * side**2
        if size % simnorm_dim:
            raise ConfigError(
                "SimNormEncoder needs `simnorm_dim` to divide its output",
                f"they are {simnorm_dim} and {channels} channels x {side} x {side} = {size}",
                "Take a multiple of it as `channels`",
            )
        self.stages = nn.ModuleList(
            nn.Conv2d(channels if i else in_channels, channels, kernel, stride)
            for i, (kernel, stride) in enumerate(zip(kernels, strides, strict=True))
        )
        self.simnorm = SimNorm(simnorm_dim)
        self.image_size = image_size
        self.in_channels = in_channels
        self.embedding_dim = size
        self.shift = shift

    @shapechecked
    def forward(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch dim"]:
        """Encode the images."""
        expected = (self.in_channels, self.image_size, self.image_size)
        if tuple(images.shape[1:]) != expected:
            raise ShapeError(
                f"SimNormEncoder needs images with (channel, height, width) = {expected}",
                f"`images` has shape {tuple(images.shape)}",
                "Resize them with the model's `processor`, or build it for that `image_size`",
            )
        features = _shifted(images, self.shift) if self.training and self.shift else images
        for i, stage in enumerate(self.stages):
            features = stage(F.relu(features) if i else features)
        return self.simnorm(features.flatten(1))


def _shifted(images: Tensor, shift: int) -> Tensor:
    """Move each picture by whole pixels, up to `shift` in both directions, its border repeated."""
    count, _, height, width = images.shape
    moves = torch.randint(-shift, shift + 1, (2, count, 1), device=images.device, dtype=torch.int64)
    rows, columns = (
        (torch.arange(side, device=images.device, dtype=torch.int64) + move).clamp(0, side - 1)
        for side, move in zip((height, width), moves, strict=True)
    )
    which = torch.arange(count, device=images.device, dtype=torch.int64)
    moved = images.permute(0, 2, 3, 1)[which[:, None, None], rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)
