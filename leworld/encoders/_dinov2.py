"""DINOv2's vision transformer."""

from collections.abc import Mapping, Sequence
from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .._checks import check_choice, check_number, describe, quoted
from .._config import configurable
from .._typing import shapechecked
from ..errors import CheckpointError, ConfigError, ShapeError
from ..nn import PatchEmbedding, SelfAttention, TransformerBlock, interpolate_positions
from ._dinov2_layouts import dinov2_state_dict
from ._sides import sides_of

_SIZES = {
    "small": {"hidden_dim": 384, "depth": 12, "num_heads": 6, "mlp_dim": 1536},
    "base": {"hidden_dim": 768, "depth": 12, "num_heads": 12, "mlp_dim": 3072},
    "large": {"hidden_dim": 1024, "depth": 24, "num_heads": 16, "mlp_dim": 4096},
}
_EPS = 1e-6
_OUTPUTS = ("cls", "patches")
_LIBRARIES: dict[str, Literal["cubic", "cubic_offset", "cubic_antialiased"]] = {
    "torch_hub": "cubic_offset",
    "timm": "cubic_antialiased",
    "transformers": "cubic",
}


@final
@configurable
class DINOv2Encoder(nn.Module):
    """Encode pictures with DINOv2's vision transformer: its class token, or one token for each patch.

    Reach for it to stand a world model on features that know many pictures, most often frozen
    (`leworld.nn.Frozen`), as DINO-WM does with the patch tokens. It is, tensor for tensor, the network of the
    published weights ViT-S/14, B/14 and L/14, with or without registers; new ones are random. Read the file
    of weights with `serialise.load_weights`, which knows the names that torch.hub, timm and transformers give
    them (`dinov2_state_dict`) beside its own, or let `hub.pretrained` fetch it.

    The published weights have positions for pictures of 518 pixels, a grid of 37 x 37 patches. For others the
    positions are interpolated, and three libraries do that in three ways: between them, patch tokens of 224
    pixels differ plainly. `position_interpolation` says which; a predictor that was trained on the features
    of one needs that one.

    Pixels: DINOv2 was trained on colours in [0, 1] minus the mean (0.485, 0.456, 0.406), over the deviation
    (0.229, 0.224, 0.225), ImageNet's, which is the default of `leworld.data.Processor`. DINO-WM's own code
    feeds pixels in [-1, 1], mean and deviation 0.5, all the same.

    Shapes:
        images (batch, channel, height, width) -> (batch, embedding_dim) for "cls", (batch, token,
        embedding_dim) for "patches", token by token in reading order. Sides are multiples of patch_size.

    Args:
        size: "small" (384 wide, 12 blocks, 6 heads), "base" (768, 12, 12) or "large" (1024, 24, 16); or, for
            one of your own, its `hidden_dim`, `depth`, `num_heads` and `mlp_dim` by name.
        image_size: Side of the pictures, or height and width. Others work as well; `num_tokens` is for this.
        output: "cls" for the class token, a vector; "patches" for the patch tokens.
        position_interpolation: Whose way to fit the positions to the pictures.
        num_registers: Register tokens, which take part and are not returned; 4 in the published `_reg`
            weights, 0 in the others.
        position_grid: Cells along a side of the grid that the positions are for.
        patch_size: Side of a patch in pixels.

    Attributes:
        embedding_dim: Size of the class token or of a patch token.
        num_tokens: Patch tokens of a picture of image_size; only with `output="patches"`.

    Raises:
        ConfigError: If patch_size does not divide image_size, num_heads does not divide hidden_dim, or an
            option is unknown or out of range.
        ShapeError: If images have other channels, or sides that are no multiples of patch_size.

    Numerics: LayerNorms use eps 1e-6, GELU is the exact one. "torch_hub" is the method "cubic_offset" of
    `leworld.nn.interpolate_positions`, "timm" is "cubic_antialiased" and "transformers" is "cubic". With
    registers all three libraries, hence all three settings, are "cubic_antialiased".

    Randomness: initial weights are drawn from a normal distribution of standard deviation 0.02, cut at two
    units, by torch's global generator; biases start at zero and LayerScale at 1.

    Source: Oquab et al., DINOv2: Learning Robust Visual Features without Supervision, 2023 (arXiv 2304.07193)
    and its code (facebookresearch/dinov2); Darcet et al., Vision Transformers Need Registers, 2023 (arXiv
    2309.16588). The giant, whose MLPs are gated, is not here, and neither is the masking of training.

    Example:
        ```python
        import torch
        from leworld.encoders import DINOv2Encoder

        mine = {"hidden_dim": 24, "depth": 1, "num_heads": 3, "mlp_dim": 96}
        encoder = DINOv2Encoder(mine, image_size=(28, 42), output="patches")
        assert encoder(torch.randn(2, 3, 28, 42)).shape == (2, encoder.num_tokens, encoder.embedding_dim)
        assert encoder.num_tokens == 2 * 3
        ```
    """

    register_tokens: nn.Parameter | None

    def __init__(
        self,
        size: Literal["small", "base", "large"] | Mapping[str, int] = "small",
        *,
        image_size: int | Sequence[int] = 224,
        output: Literal["cls", "patches"] = "cls",
        position_interpolation: Literal["torch_hub", "timm", "transformers"] = "torch_hub",
        num_registers: int = 0,
        position_grid: int = 37,
        patch_size: int = 14,
    ) -> None:
        super().__init__()
        sizes = _numbers(size)
        hidden_dim, num_heads = sizes["hidden_dim"], sizes["num_heads"]
        check_choice("DINOv2Encoder", "output", output, _OUTPUTS)
        check_choice("DINOv2Encoder", "position_interpolation", position_interpolation, _LIBRARIES)
        check_number("DINOv2Encoder", "patch_size", patch_size, low=1, integer=True)
        check_number("DINOv2Encoder", "position_grid", position_grid, low=1, integer=True)
        check_number("DINOv2Encoder", "num_registers", num_registers, low=0, integer=True)
        height, width = sides_of("DINOv2Encoder", image_size)
        for name, value, of, number in (
            ("num_heads", num_heads, "hidden_dim", hidden_dim),
            ("patch_size", patch_size, "image_size", height),
            ("patch_size", patch_size, "image_size", width),
        ):
            if number % value:
                raise ConfigError(
                    f"DINOv2Encoder needs `{name}` to divide `{of}`",
                    f"`{name}={value}` and `{of}={number}`",
                    f"Change one of them, for example `{of}={value * max(1, round(number / value))}`",
                )
        self.patches = PatchEmbedding(hidden_dim, patch_size)
        self.class_token = nn.Parameter(torch.empty(1, 1, hidden_dim))
        registers = nn.Parameter(torch.empty(1, num_registers, hidden_dim)) if num_registers else None
        self.register_parameter("register_tokens", registers)
        self.positions = nn.Parameter(torch.empty(1, 1 + position_grid**2, hidden_dim))
        self.blocks = nn.ModuleList(
            TransformerBlock(
                hidden_dim,
                num_heads,
                mlp_dim=sizes["mlp_dim"],
                eps=_EPS,
                attention=SelfAttention(hidden_dim, num_heads, fused=True),
                layer_scale=1.0,
            )
            for _ in range(sizes["depth"])
        )
        self.norm = nn.LayerNorm(hidden_dim, eps=_EPS)
        self.output = output
        self.position_interpolation = position_interpolation
        self.num_registers = num_registers
        self.position_grid = position_grid
        self.patch_size = patch_size
        self.embedding_dim = hidden_dim
        if output == "patches":
            self.num_tokens = (height // patch_size) * (width // patch_size)
        self._initialise()

    def _initialise(self) -> None:
        weights = [m.weight for m in self.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
        tokens = [self.class_token, self.positions, self.register_tokens]
        for weight in (*weights, *(token for token in tokens if token is not None)):
            nn.init.trunc_normal_(weight, std=0.02, a=-0.04, b=0.04)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv2d) and module.bias is not None:
                nn.init.zeros_(module.bias)

    @shapechecked
    def forward(
        self, images: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch dim"] | Float[Tensor, "batch token dim"]:
        """Encode the images."""
        tokens = self._tokens(images)
        if self.output == "cls":
            return self.norm(tokens[:, 0])
        return self.norm(tokens[:, 1 + self.num_registers :])

    @shapechecked
    def position_table(self, height: int, width: int) -> Float[Tensor, "one token dim"]:
        """Return the positions of pictures of this height and width in pixels, the class token's first."""
        method = "cubic_antialiased" if self.num_registers else _LIBRARIES[self.position_interpolation]
        return interpolate_positions(
            self.positions,
            grid_height=height // self.patch_size,
            grid_width=width // self.patch_size,
            method=method,
        )

    def _tokens(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        if not height or not width or height % self.patch_size or width % self.patch_size:
            raise ShapeError(
                f"DINOv2Encoder needs images whose sides are multiples of its patch size {self.patch_size}",
                f"`images` has shape {tuple(images.shape)}",
                "Resize them with the model's `processor`, for example to a side of 224",
            )
        patches = self.patches(images)
        tokens = torch.cat([self.class_token.expand(images.shape[0], -1, -1), patches], dim=1)
        tokens = tokens + self.position_table(height, width)
        if self.register_tokens is not None:
            registers = self.register_tokens.expand(images.shape[0], -1, -1)
            tokens = torch.cat([tokens[:, :1], registers, tokens[:, 1:]], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        return tokens

    def _from_foreign(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors of a file that another library wrote under the names of this module's."""
        if tensors.keys() == self.state_dict().keys():
            return tensors
        found = dinov2_state_dict(tensors)
        registers = found["register_tokens"].shape[1] if "register_tokens" in found else 0
        if registers != self.num_registers:
            raise CheckpointError(
                "DINOv2Encoder needs weights with as many register tokens as it has",
                f"these have {registers}, and `num_registers={self.num_registers}`",
                f"Build it with `num_registers={registers}`",
            )
        return found


def _numbers(size: object) -> Mapping[str, int]:
    if not isinstance(size, Mapping):
        check_choice("DINOv2Encoder", "size", size, _SIZES)
        return _SIZES[str(size)]
    known = _SIZES["small"].keys()
    if size.keys() != known:
        raise ConfigError(
            f"DINOv2Encoder needs a `size` of one's own to have {quoted(known)}",
            f"it has {describe(sorted(map(str, size)))}",
            'Pass all four, or "small", "base" or "large"',
        )
    for name, value in size.items():
        check_number("DINOv2Encoder", f"size.{name}", value, low=1, integer=True)
    return size
