"""Every image encoder, small. Adding an encoder is adding a line."""

from collections.abc import Callable

from torch import nn

from leworld.encoders import (
    ConvEncoder,
    DINOv2Encoder,
    HuggingFaceEncoder,
    PartsEncoder,
    TimmEncoder,
    ViTEncoder,
)
from leworld.nn import Frozen

SIZE = 16


def dinov2(**options) -> DINOv2Encoder:
    """A DINOv2 whose positions are for a grid of 3 x 3, so that those of 4 x 4 are interpolated."""
    size = {"hidden_dim": 12, "depth": 2, "num_heads": 3, "mlp_dim": 48}
    return DINOv2Encoder(size, image_size=SIZE, patch_size=4, position_grid=3, **options)


def hugging(**options) -> HuggingFaceEncoder:
    size = {"hidden_size": 12, "num_hidden_layers": 1, "num_attention_heads": 3, "intermediate_size": 24}
    config = {"model_type": "vit", **size, "image_size": SIZE, "patch_size": 4}
    return HuggingFaceEncoder(config, **options)


def timm(name: str, **options) -> TimmEncoder:
    return TimmEncoder(name, image_size=SIZE, **options)


IMAGE_ENCODERS: dict[str, Callable[[], nn.Module]] = {
    "conv-flatten": lambda: ConvEncoder(SIZE, 6, channels=(4, 8)),
    "conv-mean": lambda: ConvEncoder(SIZE, 6, channels=(4, 8), pooling="mean"),
    "dinov2-cls": lambda: dinov2(position_interpolation="timm"),
    "dinov2-patches": lambda: dinov2(output="patches"),
    "dinov2-registers": lambda: dinov2(output="patches", num_registers=2),
    "huggingface-pooled": lambda: hugging(output="pooled"),
    "parts-of-one": lambda: PartsEncoder({"pixels": ConvEncoder(SIZE, 6, channels=(4, 8))}, 5),
    "timm-pooled": lambda: timm("resnet18"),
    "timm-cells": lambda: timm("resnet18", output="patches"),
    "timm-patches": lambda: timm("vit_tiny_patch16_224", output="patches"),
    "vit": lambda: ViTEncoder(SIZE, 4, hidden_dim=12, depth=2, num_heads=3),
    "vit-one-patch": lambda: ViTEncoder(SIZE, 16, hidden_dim=8, depth=1, num_heads=2, mlp_dim=8),
}

# Those that hold a backbone as it is: its BatchNorm and dropout would betray a change of mode.
FROZEN_ENCODERS: dict[str, Callable[[], nn.Module]] = {
    "conv": lambda: Frozen(ConvEncoder(SIZE, 6, channels=(4, 8))),
    "dinov2": lambda: Frozen(dinov2(output="patches")),
    "huggingface": lambda: Frozen(hugging()),
    "timm": lambda: Frozen(timm("resnet18", options={"drop_rate": 0.5})),
}
