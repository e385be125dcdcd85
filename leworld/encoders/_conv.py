"""A small strided convolutional image encoder."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .._checks import check_choice, check_number
from .._config import configurable
from .._transforms import transforming
from .._typing import shapechecked
from ..errors import ShapeError
from ._sides import halving_stages


@final
@configurable
class ConvEncoder(nn.Module):
    """Encode small images with a few convolutions that each halve the picture.

    Reach for it where a vision transformer is too slow: on a CPU, or at 64 pixels. Every stage is a 3x3
    convolution with stride 2, a BatchNorm if asked for, and a ReLU. The last feature map is flattened, which
    keeps where things are, or averaged over the picture, which does not but needs fewer weights; a linear
    layer makes it the embedding. With BatchNorm it takes several times the learning rate, and sees shapes and
    angles, not only places, after far fewer steps.

    Shapes:
        images (batch, channel, height, width) -> (batch, embedding_dim).

    Args:
        image_size: Side of the square images.
        embedding_dim: Size of an embedding.
        channels: Output channels of the stages; n stages need image_size to be a multiple of 2**n.
        in_channels: Channels of an image.
        pooling: "flatten" or "mean".
        norm: "none", or "batch" for a BatchNorm in each stage; in training it mixes the pictures of a batch.

    Raises:
        ConfigError: If image_size is no multiple of 2**len(channels), or an option is out of range.
        ShapeError: If the images have another number of channels or another size.

    Numerics: weights start as in He et al., 2015 (arXiv 1502.01852), biases at zero, so that activations keep
    their scale through the stages.

    Source: not in the LeWorldModel paper, which uses a vision transformer throughout.

    Example:
        ```python
        import torch
        from leworld.encoders import ConvEncoder

        encoder = ConvEncoder(image_size=64, embedding_dim=32)
        assert encoder(torch.randn(2, 3, 64, 64)).shape == (2, 32)
        ```
    """

    def __init__(
        self,
        image_size: int = 64,
        embedding_dim: int = 32,
        *,
        channels: Sequence[int] = (16, 32, 64, 64),
        in_channels: int = 3,
        pooling: Literal["flatten", "mean"] = "flatten",
        norm: Literal["none", "batch"] = "none",
    ) -> None:
        super().__init__()
        check_number("ConvEncoder", "image_size", image_size, low=1, integer=True)
        check_number("ConvEncoder", "embedding_dim", embedding_dim, low=1, integer=True)
        check_number("ConvEncoder", "in_channels", in_channels, low=1, integer=True)
        check_choice("ConvEncoder", "pooling", pooling, ("flatten", "mean"))
        check_choice("ConvEncoder", "norm", norm, ("none", "batch"))
        reduction = halving_stages("ConvEncoder", image_size, channels)
        widths = (in_channels, *channels)
        plain = norm == "none"  # a BatchNorm has biases of its own
        stages = [
            nn.Conv2d(before, after, 3, stride=2, padding=1, bias=plain) for before, after in pairwise(widths)
        ]
        for stage in stages:
            nn.init.kaiming_normal_(stage.weight, nonlinearity="relu")
            if stage.bias is not None:
                nn.init.zeros_(stage.bias)
        self.stages = nn.ModuleList(stages)
        self.norms = nn.ModuleList(nn.Identity() if plain else nn.BatchNorm2d(width) for width in channels)
        cells = (image_size // reduction) ** 2 if pooling == "flatten" else 1
        self.output = nn.Linear(channels[-1] * cells, embedding_dim)
        self.image_size = image_size
        self.embedding_dim = embedding_dim
        self.in_channels = in_channels
        self.pooling = pooling

    @shapechecked
    def forward(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch dim"]:
        """Encode the images."""
        expected = (self.in_channels, self.image_size, self.image_size)
        if tuple(images.shape[1:]) != expected:
            raise ShapeError(
                f"ConvEncoder needs images with (channel, height, width) = {expected}",
                f"`images` has shape {tuple(images.shape)}",
                "Resize them with the model's `processor`, or build it for that `image_size`",
            )
        # Channels last is the faster layout for these convolutions. Keeping it up to the linear layer spares
        # a copy: hence the features are flattened in the order height, width, channel.
        # vmap does not say how what it maps over lies in memory
        features = images if transforming() else images.contiguous(memory_format=torch.channels_last)
        for stage, norm in zip(self.stages, self.norms, strict=True):
            features = F.relu(norm(stage(features)), inplace=True)
        features = features.permute(0, 2, 3, 1)
        return self.output(features.mean(dim=(1, 2)) if self.pooling == "mean" else features.flatten(1))
