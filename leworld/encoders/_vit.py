"""The vision transformer of the released LeWM checkpoints."""

from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .._checks import check_choice, check_number
from .._config import configurable
from .._typing import shapechecked
from ..errors import ConfigError, ShapeError
from ..nn import PatchEmbedding, TransformerBlock, interpolate_positions

_SIZES = {
    "tiny": {"hidden_dim": 192, "depth": 12, "num_heads": 3},
    "small": {"hidden_dim": 384, "depth": 12, "num_heads": 6},
    "base": {"hidden_dim": 768, "depth": 12, "num_heads": 12},
}
_EPS = 1e-12


@final
@configurable
class ViTEncoder(nn.Module):
    """Encode images with a vision transformer and return its class token.

    This is, tensor for tensor, the encoder of the published LeWM weights (size "tiny", 224 pixels, patches of
    14). A class token and one token for each patch receive learned positions, pass through pre-norm
    transformer blocks, and the class token after the last LayerNorm is the embedding. Cost grows with the
    number of patches (256 as released), so take larger patches or smaller images where speed counts.

    Images of another size than image_size are welcome as long as their sides are multiples of patch_size: the
    learned positions are then interpolated (see `leworld.nn.interpolate_positions`).

    Shapes:
        images (batch, channel, height, width) -> (batch, embedding_dim); embedding_dim is hidden_dim.

    Args:
        image_size: Side in pixels of the square images that the learned positions are for.
        patch_size: Side of a patch in pixels; must divide image_size.
        size: "tiny" (192 wide, 12 blocks, 3 heads), "small" (384, 12, 6) or "base" (768, 12, 12).
        hidden_dim: Width of the tokens, in place of the size's.
        depth: Number of blocks, in place of the size's.
        num_heads: Number of attention heads, in place of the size's; must divide hidden_dim.
        mlp_dim: Hidden width of the blocks' MLPs; 4 * hidden_dim when None.
        channels: Channels of an image.

    Raises:
        ConfigError: If patch_size does not divide image_size, num_heads does not divide hidden_dim, or an
            option is unknown or out of range.
        ShapeError: If images have other channels, or sides that are no multiples of patch_size.

    Numerics: LayerNorms use eps 1e-12 as the released network does, which is below the resolution of float32
    around 1: a token with equal components would divide by almost zero.

    Randomness: initial weights are drawn from a normal distribution of standard deviation 0.02, cut at two
    units, by torch's global generator; biases start at zero.

    Source: Dosovitskiy et al., An Image is Worth 16x16 Words, 2020 (arXiv 2010.11929), in the form of the
    Hugging Face implementation without its pooler; used by Maes et al., LeWorldModel, 2026 (arXiv
    2603.19312), section 3.1.

    Example:
        ```python
        import torch
        from leworld.encoders import ViTEncoder

        encoder = ViTEncoder(image_size=28, patch_size=7, hidden_dim=24, depth=2, num_heads=3)
        assert encoder(torch.randn(2, 3, 28, 28)).shape == (2, encoder.embedding_dim)
        assert encoder(torch.randn(2, 3, 42, 14)).shape == (2, 24)
        assert encoder.tokens(torch.randn(2, 3, 28, 28)).shape == (2, 1 + 4 * 4, 24)
        ```
    """

    def __init__(
        self,
        image_size: int = 224,
        patch_size: int = 14,
        *,
        size: Literal["tiny", "small", "base"] = "tiny",
        hidden_dim: int | None = None,
        depth: int | None = None,
        num_heads: int | None = None,
        mlp_dim: int | None = None,
        channels: int = 3,
    ) -> None:
        super().__init__()
        check_choice("ViTEncoder", "size", size, _SIZES)
        sizes = _SIZES[size]
        width = sizes["hidden_dim"] if hidden_dim is None else hidden_dim
        depth = sizes["depth"] if depth is None else depth
        num_heads = sizes["num_heads"] if num_heads is None else num_heads
        for name, value in (
            ("image_size", image_size),
            ("patch_size", patch_size),
            ("hidden_dim", width),
            ("depth", depth),
            ("num_heads", num_heads),
            ("mlp_dim", 4 * width if mlp_dim is None else mlp_dim),
        ):
            check_number("ViTEncoder", name, value, low=1, integer=True)
        _check_divides("patch_size", patch_size, "image_size", image_size)
        _check_divides("num_heads", num_heads, "hidden_dim", width)
        self.patches = PatchEmbedding(width, patch_size, channels=channels)
        self.class_token = nn.Parameter(torch.empty(1, 1, width))
        self.positions = nn.Parameter(torch.empty(1, 1 + (image_size // patch_size) ** 2, width))
        self.blocks = nn.ModuleList(
            TransformerBlock(width, num_heads, mlp_dim=4 * width if mlp_dim is None else mlp_dim, eps=_EPS)
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width, eps=_EPS)
        self.image_size = image_size
        self.patch_size = patch_size
        self.embedding_dim = width
        self._initialise()

    def _initialise(self) -> None:
        weights = [m.weight for m in self.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
        for weight in (*weights, self.class_token, self.positions):
            nn.init.trunc_normal_(weight, std=0.02, a=-0.04, b=0.04)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv2d) and module.bias is not None:
                nn.init.zeros_(module.bias)

    @shapechecked
    def forward(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch dim"]:
        """Encode the images."""
        return self.norm(self._all_tokens(images)[:, 0])

    @shapechecked
    def tokens(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch token dim"]:
        """Return all final tokens: the class token, whose value is the embedding, then patches row by row."""
        return self.norm(self._all_tokens(images))

    def _all_tokens(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        if not height or not width or height % self.patch_size or width % self.patch_size:
            raise ShapeError(
                f"ViTEncoder needs images whose sides are multiples of its patch size {self.patch_size}",
                f"`images` has shape {tuple(images.shape)}",
                f"Resize them with the model's `processor`, for example to a side of {self.image_size}",
            )
        tokens = self.patches(images)
        tokens = torch.cat([self.class_token.expand(tokens.shape[0], -1, -1), tokens], dim=1)
        tokens = tokens + interpolate_positions(
            self.positions, grid_height=height // self.patch_size, grid_width=width // self.patch_size
        )
        for block in self.blocks:
            tokens = block(tokens)
        return tokens


def _check_divides(divisor_name: str, divisor: int, name: str, number: int) -> None:
    if number % divisor:
        raise ConfigError(
            f"ViTEncoder needs `{divisor_name}` to divide `{name}`",
            f"`{divisor_name}={divisor}` and `{name}={number}`",
            f"Change one of them, for example `{name}={divisor * max(1, round(number / divisor))}`",
        )
