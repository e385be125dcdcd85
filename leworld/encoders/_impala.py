"""The convolutional encoder of the original PLDM, and of IMPALA."""

from collections.abc import Sequence
from typing import final

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .._checks import check_number
from .._config import configurable
from .._typing import shapechecked
from ..errors import ConfigError, ShapeError


@final
@configurable
class ImpalaEncoder(nn.Module):
    """Encode small images with three stages of a convolution, a maximum and two residual blocks each.

    Reach for it at about 64 pixels, where it is deeper than `ConvEncoder` and cheaper than a ResNet. A stage
    is a 3x3 convolution, the maximum over 3x3 with stride 2, and twice

        x = ReLU(x + Conv(ReLU(Conv(x)))).

    There is no normalisation in it. The last map is flattened, which keeps where things are; a linear layer
    and, if asked for, a LayerNorm follow. Nearly all weights are the linear layer's.

    Shapes:
        images (batch, channel, height, width) -> (batch, embedding_dim).

    Args:
        image_size: Side of the square images.
        embedding_dim: Size of an embedding; PLDM's is 512.
        channels: Channels of the stages.
        in_channels: Channels of an image; PLDM's two rooms have 2.
        layer_norm: Whether a LayerNorm ends it, as PLDM's.

    Raises:
        ConfigError: If there is no stage, or an option is out of range.
        ShapeError: If the images have other channels or another size.

    Randomness: torch's usual initial weights, by its global generator.

    Source: Espeholt et al., IMPALA, 2018 (arXiv 1802.01561), figure 3, in the form of Sobal et al., 2025
    (arXiv 2502.14819): the ReLU of a block comes after the sum, where IMPALA's comes before the convolutions.

    Example:
        ```python
        import torch
        from leworld.encoders import ImpalaEncoder

        encoder = ImpalaEncoder(image_size=32, embedding_dim=16)
        assert encoder(torch.randn(2, 3, 32, 32)).shape == (2, 16)
        ```
    """

    def __init__(
        self,
        image_size: int = 64,
        embedding_dim: int = 512,
        *,
        channels: Sequence[int] = (16, 32, 32),
        in_channels: int = 3,
        layer_norm: bool = True,
    ) -> None:
        super().__init__()
        for name, value in (
            ("image_size", image_size),
            ("embedding_dim", embedding_dim),
            ("in_channels", in_channels),
        ):
            check_number("ImpalaEncoder", name, value, low=1, integer=True)
        for width in channels:
            check_number("ImpalaEncoder", "channels", width, low=1, integer=True)
        if not channels:
            raise ConfigError(
                "ImpalaEncoder needs one stage at least",
                "`channels` is empty",
                "Pass for example (16, 32, 32)",
            )
        side, stages = image_size, []
        for before, after in zip((in_channels, *channels), channels, strict=False):
            stages.append(_Stage(before, after))
            side = (side + 1) // 2
        self.stages = nn.ModuleList(stages)
        self.output = nn.Linear(channels[-1] * side**2, embedding_dim)
        self.norm = nn.LayerNorm(embedding_dim) if layer_norm else None
        self.image_size = image_size
        self.embedding_dim = embedding_dim
        self.in_channels = in_channels

    @shapechecked
    def forward(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch dim"]:
        """Encode the images."""
        due = (self.in_channels, self.image_size, self.image_size)
        if tuple(images.shape[1:]) != due:
            raise ShapeError(
                f"ImpalaEncoder needs images with (channel, height, width) = {due}",
                f"`images` has shape {tuple(images.shape)}",
                "Resize them with the model's `processor`, or build it for that `image_size`",
            )
        features = images
        for stage in self.stages:
            features = stage(features)
        embedding = self.output(features.flatten(1))  # already behind a ReLU
        return embedding if self.norm is None else self.norm(embedding)


class _Stage(nn.Module):
    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, 3, padding=1)
        self.blocks = nn.ModuleList(_Block(out) for _ in range(2))

    def forward(self, features: Tensor) -> Tensor:
        features = F.max_pool2d(self.conv(features), 3, 2, 1)
        for block in self.blocks:
            features = block(features)
        return features


class _Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        return F.relu(features + self.second(F.relu(self.first(features))))
