"""What stands in for timm where it is not installed: its shape, with three small networks.

The names of networks, functions and attributes are timm's own.
"""

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn


class ResNet(nn.Module):
    """A convolutional network: BatchNorm, features (batch, channel, height, width) at a 32nd of the size."""

    num_features = head_hidden_size = 512

    def __init__(self, num_classes: int, drop_rate: float = 0.0) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 7, stride=4, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.layer4 = nn.Conv2d(8, 512, 9, stride=8, padding=4, bias=False)
        self.drop = nn.Dropout(drop_rate)
        self.num_classes = num_classes
        self.fc = nn.Linear(512, num_classes) if num_classes else nn.Identity()
        self.feature_info = [{"num_chs": 8, "reduction": 4}, {"num_chs": 512, "reduction": 32}]

    def forward_features(self, x: Tensor) -> Tensor:
        return self.layer4(self.bn1(self.conv1(x)).relu())

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        pooled = self.drop(x.mean((2, 3)))
        return pooled if pre_logits else self.fc(pooled)

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))


class Swin(nn.Module):
    """A network with features (batch, height, width, channel)."""

    num_features = head_hidden_size = 24
    output_fmt = "NHWC"

    def __init__(self, num_classes: int, img_size: Any = 224) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(3, 24, 32, stride=32)
        self.norm = nn.LayerNorm(24)
        self.num_classes = num_classes
        self.head = nn.Linear(24, num_classes) if num_classes else nn.Identity()
        self.feature_info = [{"num_chs": 24, "reduction": 32}]

    def forward_features(self, x: Tensor) -> Tensor:
        return self.norm(self.patch_embed(x).permute(0, 2, 3, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.forward_features(x).mean((1, 2)))


class VisionTransformer(nn.Module):
    """A transformer of one block, with a class token, made for one size."""

    num_features = head_hidden_size = 192
    num_prefix_tokens = 1

    def __init__(self, num_classes: int, img_size: Any = 224, drop_path_rate: float = 0.0) -> None:
        super().__init__()
        height, width = (img_size, img_size) if isinstance(img_size, int) else img_size
        self.img_size = (height, width)
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, 192))
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, 1 + (height // 16) * (width // 16), 192))
        self.patch_embed = nn.Conv2d(3, 192, 16, stride=16)
        self.mix = nn.MultiheadAttention(192, 3, batch_first=True)
        self.norm = nn.LayerNorm(192)
        self.num_classes = num_classes
        self.head = nn.Linear(192, num_classes) if num_classes else nn.Identity()
        self.feature_info = [{"num_chs": 192, "reduction": 16}]

    def forward_features(self, x: Tensor) -> Tensor:
        assert tuple(x.shape[-2:]) == self.img_size, f"Input {tuple(x.shape[-2:])} doesn't match model"
        tokens = self.patch_embed(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), tokens], 1) + self.pos_embed
        return self.norm(tokens + self.mix(tokens, tokens, tokens, need_weights=False)[0])

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.forward_features(x)[:, 0])


_MODELS = {
    "resnet18": (ResNet, False, "fc"),
    "swin_tiny_patch4_window7_224": (Swin, True, "head"),
    "vit_tiny_patch16_224": (VisionTransformer, True, "head"),
}


def is_model(name: str) -> bool:
    return name in _MODELS


def list_models() -> list[str]:
    return sorted(_MODELS)


def get_pretrained_cfg(name: str) -> SimpleNamespace:
    return SimpleNamespace(fixed_input_size=_MODELS[name][1], input_size=(3, 224, 224))


def create_model(name: str, pretrained: bool = False, num_classes: int = 1000, **options: Any) -> Any:
    assert not pretrained, "a stand-in has no pretrained weights"
    build, fixed, head = _MODELS[name]
    model: Any = build(num_classes, **options)
    model.pretrained_cfg = {
        "architecture": name,
        "input_size": (3, 224, 224),
        "fixed_input_size": fixed,
        "classifier": head,
    }
    return model
