"""The picture decoder of DreamerV3."""

from collections.abc import Sequence
from itertools import pairwise
from typing import final

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .._checks import check_equal_size, check_number
from .._config import configurable
from .._typing import shapechecked
from ..errors import ConfigError


@final
@configurable
class NormedConvDecoder(nn.Module):
    """Decode latents into pictures by convolutions that double the side, for a `leworld.models.RSSM`.

    A linear layer makes the smallest feature map, an RMSNorm over the channels and SiLU follow, and every
    stage repeats each cell 2x2 times and applies a 5x5 convolution, with norm and SiLU behind all but the
    last.

    Shapes:
        latents (batch, embedding_dim) -> pictures (batch, out_channels, image_size, image_size), not clamped.

    Args:
        embedding_dim: Size of a latent.
        image_size: Side of the pictures, a multiple of 2**n for n stages.
        channels: Channels of the feature maps, the largest map first, as those of
            `leworld.encoders.NormedConvEncoder`.
        out_channels: Channels of a picture.

    Raises:
        ConfigError: If the stages do not double evenly to the picture, or a size is below 1.
        ShapeError: If the latents have another size.

    Randomness: initial weights are torch's, by its global generator.

    Source: Hafner et al., DreamerV3, 2023 (arXiv 2301.04104), and its code (danijar/dreamerv3, rssm.py).
    There, the smallest map is made of the recurrent state and the variables apart, and a sigmoid ends it, as
    its pictures lie in [0, 1]; here it draws what a model reads, which a processor has standardised.

    Example:
        ```python
        import torch
        from leworld.decoders import NormedConvDecoder

        decoder = NormedConvDecoder(24, 64, channels=(8, 12, 16, 16))
        assert decoder(torch.randn(2, 24)).shape == (2, 3, 64, 64)
        ```
    """

    def __init__(
        self,
        embedding_dim: int,
        image_size: int = 64,
        *,
        channels: Sequence[int] = (32, 48, 64, 64),
        out_channels: int = 3,
    ) -> None:
        super().__init__()
        named = {"embedding_dim": embedding_dim, "image_size": image_size, "out_channels": out_channels}
        for name, value in named.items():
            check_number("NormedConvDecoder", name, value, low=1, integer=True)
        for width in channels:
            check_number("NormedConvDecoder", "channels", width, low=1, integer=True)
        growth = 2 ** len(channels)
        if not channels or image_size % growth:
            raise ConfigError(
                "NormedConvDecoder needs at least one stage, and an `image_size` that n stages reach by "
                "doubling n times",
                f"`image_size={image_size}` and `channels={tuple(channels)}` ({len(channels)} stages)",
                f"Take an image size that is a multiple of {growth}, or another number of stages",
            )
        widths = tuple(reversed(channels))
        self.side = image_size // growth
        self.start = nn.Linear(embedding_dim, widths[0] * self.side**2)
        self.norms = nn.ModuleList(nn.RMSNorm(width, eps=1e-4) for width in widths)
        self.stages = nn.ModuleList(
            nn.Conv2d(before, after, 5, padding=2) for before, after in pairwise((*widths, out_channels))
        )
        self.embedding_dim = embedding_dim
        self.image_size = image_size

    @shapechecked
    def forward(self, latents: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch channel height width"]:
        """Draw the pictures."""
        check_equal_size(
            "NormedConvDecoder",
            "the last axis of `latents`",
            latents.shape[-1],
            self.embedding_dim,
            expected_by="its `embedding_dim`",
            fix="Pass latents of the model that it was built for",
        )
        features = self.start(latents).unflatten(-1, (-1, self.side, self.side))
        for stage, norm in zip(self.stages, self.norms, strict=True):
            features = F.silu(norm(features.movedim(1, -1)).movedim(-1, 1))
            features = stage(F.interpolate(features, scale_factor=2.0, mode="nearest"))
        return features
