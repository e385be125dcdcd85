"""Every image encoder, small. Adding an encoder is adding a line."""

from collections.abc import Callable

from torch import nn

from leworld.encoders import ConvEncoder, DINOv2Encoder, PartsEncoder, ViTEncoder

SIZE = 16


def dinov2(**options) -> DINOv2Encoder:
    """A DINOv2 whose positions are for a grid of 3 x 3, so that those of 4 x 4 are interpolated."""
    size = {"hidden_dim": 12, "depth": 2, "num_heads": 3, "mlp_dim": 48}
    return DINOv2Encoder(size, image_size=SIZE, patch_size=4, position_grid=3, **options)


IMAGE_ENCODERS: dict[str, Callable[[], nn.Module]] = {
    "conv-flatten": lambda: ConvEncoder(SIZE, 6, channels=(4, 8)),
    "conv-mean": lambda: ConvEncoder(SIZE, 6, channels=(4, 8), pooling="mean"),
    "dinov2-cls": lambda: dinov2(position_interpolation="timm"),
    "dinov2-patches": lambda: dinov2(output="patches"),
    "dinov2-registers": lambda: dinov2(output="patches", num_registers=2),
    "parts-of-one": lambda: PartsEncoder({"pixels": ConvEncoder(SIZE, 6, channels=(4, 8))}, 5),
    "vit": lambda: ViTEncoder(SIZE, 4, hidden_dim=12, depth=2, num_heads=3),
    "vit-one-patch": lambda: ViTEncoder(SIZE, 16, hidden_dim=8, depth=1, num_heads=2, mlp_dim=8),
}
