"""Every image encoder, small. Adding an encoder is adding a line."""

from collections.abc import Callable
from typing import Any

from torch import nn

from leworld.encoders import (
    ConvEncoder,
    DINOv2Encoder,
    FusedEncoder,
    HuggingFaceEncoder,
    ImpalaEncoder,
    NormedConvEncoder,
    PooledTokens,
    ResNetEncoder,
    SimNormAdapter,
    SimNormEncoder,
    TimmEncoder,
    ViTEncoder,
)
from leworld.nn import Frozen
from tests.encoders.tokens import PatchTokens

SIZE = 16


def dinov2(**options) -> DINOv2Encoder:
    """A DINOv2 whose positions are for a grid of 3 x 3, so that those of 4 x 4 are interpolated."""
    size = {"hidden_dim": 12, "depth": 2, "num_heads": 3, "mlp_dim": 48}
    return DINOv2Encoder(size, image_size=SIZE, patch_size=4, position_grid=3, **options)


def tokens() -> nn.Module:
    return PatchTokens(SIZE)


def resnet(**options: Any) -> ResNetEncoder:
    return ResNetEncoder(
        SIZE, 6, **{"blocks": (1, 1, 1, 1), "width": 4, "stem": "small", "num_keypoints": 5, **options}
    )


def hugging(**options) -> HuggingFaceEncoder:
    size = {"hidden_size": 12, "num_hidden_layers": 1, "num_attention_heads": 3, "intermediate_size": 24}
    config = {"model_type": "vit", **size, "image_size": SIZE, "patch_size": 4}
    return HuggingFaceEncoder(config, **options)


def timm(name: str, **options) -> TimmEncoder:
    return TimmEncoder(name, image_size=SIZE, **options)


IMAGE_ENCODERS: dict[str, Callable[[], nn.Module]] = {
    "conv-flatten": lambda: ConvEncoder(SIZE, 6, channels=(4, 8)),
    "conv-norm": lambda: ConvEncoder(SIZE, 6, channels=(16, 16), norm="batch"),
    "conv-mean": lambda: ConvEncoder(SIZE, 6, channels=(4, 8), pooling="mean"),
    "dinov2-cls": lambda: dinov2(position_interpolation="timm"),
    "dinov2-patches": lambda: dinov2(output="patches"),
    "dinov2-registers": lambda: dinov2(output="patches", num_registers=2),
    "fused-of-one": lambda: FusedEncoder({"pixels": ConvEncoder(SIZE, 6, channels=(4, 8))}, 5),
    "huggingface-pooled": lambda: hugging(output="pooled"),
    "impala": lambda: ImpalaEncoder(SIZE, 6, channels=(4, 6)),
    "normed-conv": lambda: NormedConvEncoder(SIZE, (4, 6)),
    "pooled-mean": lambda: PooledTokens(tokens()),
    "pooled-attention": lambda: PooledTokens(tokens(), "attention", num_heads=2),
    "resnet": lambda: resnet(),
    "resnet-batch": lambda: resnet(norm="batch", blocks=(2, 1, 1, 1)),
    "resnet-large": lambda: resnet(stem="large"),
    "resnet-keypoints": lambda: resnet(pooling="keypoints"),
    "simnorm": lambda: SimNormEncoder(SIZE, 6, kernels=(5, 3), strides=(2, 1), simnorm_dim=3, shift=0),
    "simnorm-adapter": lambda: SimNormAdapter(ImpalaEncoder(SIZE, 6, channels=(4, 6)), 6, simnorm_dim=3),
    "timm-pooled": lambda: timm("resnet18"),
    "timm-cells": lambda: timm("resnet18", output="patches"),
    "timm-patches": lambda: timm("vit_tiny_patch16_224", output="patches"),
    "vit": lambda: ViTEncoder(SIZE, 4, hidden_dim=12, depth=2, num_heads=3),
    "vit-one-patch": lambda: ViTEncoder(SIZE, 16, hidden_dim=8, depth=1, num_heads=2, mlp_dim=8),
}
TOKEN_ENCODERS: dict[str, Callable[[], nn.Module]] = {
    "patches": lambda: PatchTokens(SIZE),
    "fused-tile": lambda: FusedEncoder({"pixels": PatchTokens(SIZE)}, 5, fusion="tile"),
    "resnet-tokens": lambda: resnet(pooling="tokens"),
}
# Graphs of the others are the same but for a layer, and take seconds each.
TRACED = [
    name
    for name in IMAGE_ENCODERS | TOKEN_ENCODERS
    if name not in ("resnet", "resnet-large", "resnet-tokens")
]

# Those that hold a backbone as it is: its BatchNorm and dropout would betray a change of mode.
FROZEN_ENCODERS: dict[str, Callable[[], nn.Module]] = {
    "conv": lambda: Frozen(ConvEncoder(SIZE, 6, channels=(4, 8))),
    "dinov2": lambda: Frozen(dinov2(output="patches")),
    "huggingface": lambda: Frozen(hugging()),
    "timm": lambda: Frozen(timm("resnet18", options={"drop_rate": 0.5})),
}
