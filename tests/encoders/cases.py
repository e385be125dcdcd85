"""Every image encoder, small. Adding an encoder is adding a line."""

from collections.abc import Callable

from torch import nn

from leworld.encoders import ConvEncoder, FusedEncoder, ViTEncoder

SIZE = 16
IMAGE_ENCODERS: dict[str, Callable[[], nn.Module]] = {
    "conv-flatten": lambda: ConvEncoder(SIZE, 6, channels=(4, 8)),
    "conv-mean": lambda: ConvEncoder(SIZE, 6, channels=(4, 8), pooling="mean"),
    "fused-of-one": lambda: FusedEncoder({"pixels": ConvEncoder(SIZE, 6, channels=(4, 8))}, 5),
    "vit": lambda: ViTEncoder(SIZE, 4, hidden_dim=12, depth=2, num_heads=3),
    "vit-one-patch": lambda: ViTEncoder(SIZE, 16, hidden_dim=8, depth=1, num_heads=2, mlp_dim=8),
}
