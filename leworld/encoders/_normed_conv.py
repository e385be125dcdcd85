"""The picture encoder of DreamerV3."""

from collections.abc import Sequence
from itertools import pairwise
from typing import final

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .._checks import check_number
from .._config import configurable
from .._typing import shapechecked
from ..errors import ShapeError
from ._sides import halving_stages


@final
@configurable
class NormedConvEncoder(nn.Module):
    """Encode pictures by convolutions that are pooled and normalised: the encoder of a `leworld.models.RSSM`.

    Every stage is a 5x5 convolution, the maximum over 2x2 cells, an RMSNorm over the channels and SiLU; the
    last feature map is flattened, without a linear layer, so it keeps where things are. It has no batch
    statistics: training and evaluation compute the same.

    Shapes:
        images (batch, channel, height, width) -> (batch, embedding_dim).

    Args:
        image_size: Side of the square images, a multiple of 2**n for n stages.
        channels: Output channels of the stages; 16 times (2, 3, 4, 4) is DreamerV3's of 12 million weights.
        in_channels: Channels of an image.

    Attributes:
        embedding_dim: Size of an embedding: cells of the last stage times its channels.

    Raises:
        ConfigError: If the stages do not halve the picture evenly, or a size is below 1.
        ShapeError: If the images have another number of channels or another size.

    Randomness: initial weights are torch's, by its global generator.

    Source: Hafner et al., DreamerV3, 2023 (arXiv 2301.04104), and its code (danijar/dreamerv3, rssm.py),
    which draws initial weights from a cut normal distribution.

    Example:
        ```python
        import torch
        from leworld.encoders import NormedConvEncoder

        encoder = NormedConvEncoder(64, (8, 12, 16, 16))
        assert encoder(torch.randn(2, 3, 64, 64)).shape == (2, 256)
        ```
    """

    def __init__(
        self, image_size: int = 64, channels: Sequence[int] = (32, 48, 64, 64), *, in_channels: int = 3
    ) -> None:
        super().__init__()
        check_number("NormedConvEncoder", "image_size", image_size, low=1, integer=True)
        check_number("NormedConvEncoder", "in_channels", in_channels, low=1, integer=True)
        reduction = halving_stages("NormedConvEncoder", image_size, channels)
        self.stages = nn.ModuleList(
            nn.Conv2d(before, after, 5, padding=2) for before, after in pairwise((in_channels, *channels))
        )
        self.norms = nn.ModuleList(nn.RMSNorm(width, eps=1e-4) for width in channels)
        self.image_size = image_size
        self.in_channels = in_channels
        self.embedding_dim = channels[-1] * (image_size // reduction) ** 2

    @shapechecked
    def forward(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch dim"]:
        """Encode the images."""
        expected = (self.in_channels, self.image_size, self.image_size)
        if tuple(images.shape[1:]) != expected:
            raise ShapeError(
                f"NormedConvEncoder needs images with (channel, height, width) = {expected}",
                f"`images` has shape {tuple(images.shape)}",
                "Resize them with the model's `processor`, or build it for that `image_size`",
            )
        features = images
        for stage, norm in zip(self.stages, self.norms, strict=True):
            pooled = F.max_pool2d(stage(features), 2)
            features = F.silu(norm(pooled.movedim(1, -1)).movedim(-1, 1))
        return features.flatten(1)
